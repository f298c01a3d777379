//! Wire messages between nodes, and checked conversions from and to the domain types.
