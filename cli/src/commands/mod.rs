//! One module for each command: its arguments, what it does, what it prints; and `signed`, what those about signed
//! documents share.

pub(crate) mod audit;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod decrypt;
pub(crate) mod encrypt;
pub(crate) mod evidence;
pub(crate) mod inspect;
pub(crate) mod invoice;
pub(crate) mod man;
pub(crate) mod modelasset;
pub(crate) mod package;
pub(crate) mod publish;
pub(crate) mod register;
pub(crate) mod sample_model;
mod signed;
pub(crate) mod upload;
pub(crate) mod verify;
