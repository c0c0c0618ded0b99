"""ClusterExternalSecrets into ExternalSecrets, as a loop of the controller.

Where there shall be which ExternalSecret is decided by :mod:`gateway_secrets.external.cluster`, purely; here is the I/O. What
becomes of these ExternalSecrets is the affair of :mod:`gateway.controllers.external`.
"""
