//! How a body is declared: once, with type, rule and words for each field.

use crate::amount::{Number, Usd};
use crate::shape::Shape;

/// A type that knows what it looks like on the wire.
pub trait Wire {
    /// What it may hold.
    const SHAPE: Shape;
}

/// Whether a value of this type can be absent.
pub trait Presence {
    /// Whether a field of it must be there.
    const REQUIRED: bool = true;

    /// Whether it is left out when written.
    fn is_absent(&self) -> bool {
        false
    }
}

impl<T> Presence for Option<T> {
    const REQUIRED: bool = false;

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Presence for Vec<T> {
    const REQUIRED: bool = false;

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Presence for String {}
impl Presence for bool {}
impl Presence for u32 {}
impl Presence for i64 {}
impl Presence for Usd {}
impl Presence for Number {}

impl Wire for bool {
    const SHAPE: Shape = Shape::Flag;
}

impl<T: Wire> Wire for Option<T> {
    const SHAPE: Shape = T::SHAPE;
}

impl<T: Wire + 'static> Wire for Vec<T> {
    const SHAPE: Shape = Shape::lines(&T::SHAPE);
}

/// The name of a field on the wire: Rust writes `type` with a prefix.
#[must_use]
pub const fn wire_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', rest @ ..] => match std::str::from_utf8(rest) {
            Ok(name) => name,
            Err(_) => field,
        },
        _ => field,
    }
}

/// Declares bodies: a struct with its fields, and their shape. `field: Type = RULE` gives the rule of a text or number;
/// other bodies bring their own. Missing fields are the shape's business, so every type has a default.
macro_rules! bodies {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident {
            $( $(#[doc = $field_doc:literal])+ $field:ident: $ty:ty $(= $rule:expr)?, )+
        }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])+
                #[serde(skip_serializing_if = "crate::body::Presence::is_absent")]
                pub $field: $ty,
            )+
        }

        impl $crate::body::Presence for $name {}

        impl $crate::body::Wire for $name {
            const SHAPE: $crate::shape::Shape = $crate::shape::Shape::Object(&[
                $(
                    $crate::shape::Field {
                        name: $crate::body::wire_name(stringify!($field)),
                        doc: concat!($($field_doc),+),
                        required: <$ty as $crate::body::Presence>::REQUIRED,
                        shape: bodies!(@shape $ty $(, $rule)?),
                    }
                ),+
            ]);
        }
    )+};
    (@shape $ty:ty) => { <$ty as $crate::body::Wire>::SHAPE };
    (@shape $ty:ty, $rule:expr) => { $rule };
}
pub(crate) use bodies;
