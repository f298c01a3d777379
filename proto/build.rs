//! Compiles the schemas to Rust, with a compiler in Rust so that nothing has to be installed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=schemas");
    let files = protox::compile(["consensus.proto", "sync.proto"], ["schemas"])?;
    // `Bytes` fields share the buffer they were read from: a chunk of a block is not copied to be decoded.
    prost_build::Config::new().bytes(["."]).compile_fds(files)?;
    Ok(())
}
