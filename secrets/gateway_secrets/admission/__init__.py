"""What may be said of Secrets, SealedSecrets and ExternalSecrets when they are written: pure decisions over facts.

The same in a pull request and at admission. Facts that are not known are not assumed: the caller is told which are missing.
"""
