"""ClusterExternalSecrets into ExternalSecrets, and ClusterPushSecrets into PushSecrets, as loops of the controller.

Where there shall be which is decided by :mod:`gateway_secrets.external.cluster`, purely; here is the I/O. What becomes of what they
make is the affair of :mod:`gateway.controllers.external`.
"""
