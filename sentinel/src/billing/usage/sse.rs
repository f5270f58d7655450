//! Splits a stream of server-sent events (WHATWG HTML, section 9.2.6) byte by byte and hands the content of `data`
//! on, holding nothing.

use super::Tokens;
use super::json::Scan;

const DATA: &[u8] = b"data";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where in a line we are.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many bytes into the field's name, all of them those of `data`.
    Name(usize),
    /// In the value of `data`; whether it has begun.
    Value(bool),
    /// In a comment or in another field.
    Other,
}

/// The splitter.
#[derive(Debug)]
pub(crate) struct Events {
    place: Place,
    after_cr: bool,
    /// Bytes of a byte order mark that were seen, at the very beginning only.
    mark: Option<usize>,
    scan: Scan,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            place: Place::Name(0),
            after_cr: false,
            mark: Some(0),
            scan: Scan::default(),
        }
    }
}

impl Events {
    pub(super) fn tokens(&self) -> Option<Tokens> {
        self.scan.tokens()
    }

    pub(super) fn feed(&mut self, byte: u8) {
        if let Some(seen) = self.mark {
            self.mark = (BYTE_ORDER_MARK.get(seen) == Some(&byte)).then_some(seen + 1);
            if self.mark.is_some() {
                return;
            }
        }
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => {}
            b'\n' | b'\r' => self.end_line(),
            _ => self.within(byte),
        }
    }

    fn end_line(&mut self) {
        match self.place {
            // An empty line: the event is over.
            Place::Name(0) => self.scan.restart(),
            // Several lines of data are one text, joined by line ends.
            Place::Value(_) => self.scan.feed(b'\n'),
            Place::Name(_) | Place::Other => {}
        }
        self.place = Place::Name(0);
    }

    fn within(&mut self, byte: u8) {
        self.place = match self.place {
            Place::Name(seen) if DATA.get(seen) == Some(&byte) => Place::Name(seen + 1),
            Place::Name(seen) if seen == DATA.len() && byte == b':' => Place::Value(false),
            Place::Name(_) | Place::Other => Place::Other,
            Place::Value(false) if byte == b' ' => Place::Value(true),
            Place::Value(_) => {
                self.scan.feed(byte);
                Place::Value(true)
            }
        };
    }
}
