//! The process a validator runs, and its command line.
