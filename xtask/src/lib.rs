//! Generators of checked-in files, as a library so that tests can compare without writing.

pub mod generate;
