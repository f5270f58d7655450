//! Both documents' purchases: their messages become resources, and what the quote engine and the rating say of these
//! becomes the documents' messages again, with their figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod bought;
mod documents;
mod offered;
mod refused;
mod served;
