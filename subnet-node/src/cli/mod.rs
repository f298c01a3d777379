//! The command line of the node's binary.
