"""ExternalSecrets (``external-secrets.io/v1``): what they say, what is wrong with them, and the Secret that must be.

Pure: what stores hold and what the cluster has is given. ``validate`` says what is wrong, the same at admission, in
``govgate check`` and in the controller; ``collect`` makes values of what was read; ``content`` fills in templates;
``target`` decides what is done with the Secret; ``status`` what the object says afterwards.

Source: ``apis/externalsecrets/v1`` and ``pkg/controllers/externalsecret`` of the External Secrets Operator.
"""
