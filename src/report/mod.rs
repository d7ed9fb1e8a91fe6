//! Facts into words.
