//! The door between a chain, its parent and its children.
