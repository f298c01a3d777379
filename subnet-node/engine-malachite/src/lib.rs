//! Tendermint consensus (Malachite) behind the engine interface.
