//! The eam actor.
