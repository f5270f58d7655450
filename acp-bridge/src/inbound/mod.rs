//! What a buyer sends, as resources.

pub mod order;
pub mod rfq;
pub mod termination;
pub mod ticket;
