//! The kernel, thin and typed: the only unsafe code, and no policy.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
