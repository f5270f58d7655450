//! The states of the sentinel, from boot to ready or suspended (spec section 7.1).
