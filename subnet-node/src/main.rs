//! The node's binary; see [`subnet_node::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    subnet_node::cli::main(std::env::args_os())
}
