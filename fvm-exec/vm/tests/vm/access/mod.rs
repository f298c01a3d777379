//! What the access log says of messages: the rules one by one, and that nothing is missing.

mod completeness;
mod rules;
