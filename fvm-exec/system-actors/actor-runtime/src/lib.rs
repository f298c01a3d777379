//! What an on-chain actor may ask of the VM, over the real system calls and over a mock.
