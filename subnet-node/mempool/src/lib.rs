//! Messages that wait for a block, and how nodes share them.
