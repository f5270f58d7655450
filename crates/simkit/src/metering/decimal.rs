//! Decimals of the service's books: millionths, exact.

const PLACES: usize = 6;
const PER_UNIT: i128 = 1_000_000;

/// Millionths of a plain decimal such as `12.5`; `None` for anything else.
pub(super) fn read(text: &str) -> Option<i128> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > PLACES {
        return None;
    }
    let parts: i128 = format!("{fraction:0<PLACES$}").parse().ok()?;
    Some(sign * (whole.parse::<i128>().ok()?.checked_mul(PER_UNIT)? + parts))
}

/// The decimal's text.
pub(super) fn write(parts: i128) -> String {
    let sign = if parts < 0 { "-" } else { "" };
    let parts = parts.unsigned_abs();
    let unit = PER_UNIT.unsigned_abs();
    format!("{sign}{}.{:06}", parts / unit, parts % unit)
}
