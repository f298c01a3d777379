//! Keys, signing, and the JSON-RPC interface as its callers see it.
