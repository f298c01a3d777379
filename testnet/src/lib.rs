//! Launches whole hierarchies of real processes and plays stories on them.
