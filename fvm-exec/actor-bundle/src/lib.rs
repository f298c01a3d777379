//! The compiled actors as one CAR file.
