//! What a parent chain knows of one child subnet: membership, stake, custody, checkpoints.
