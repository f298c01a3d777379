//! One ordered block in, receipts and state root out.
