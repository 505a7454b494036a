//! The network of orch: addresses, the service proxy, DNS
