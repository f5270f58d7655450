//! One module for each command: its arguments, what it does, what it prints.

pub(crate) mod decrypt;
pub(crate) mod encrypt;
pub(crate) mod inspect;
pub(crate) mod modelasset;
pub(crate) mod register;
pub(crate) mod sample_model;
pub(crate) mod upload;
pub(crate) mod verify;
