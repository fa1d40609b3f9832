//! Downloads: the cache of fetched files, the host's certificates and proxies.
