//! Streams as vLLM sends them, whole and in pieces.

use super::super::json::{Asked, Wish};
use super::{EVENT_BYTES, Unasked};
use bytes::Bytes;

const NOTHING: Asked = Asked {
    include_usage: false,
    continuous_usage_stats: false,
};
const TOTAL: Asked = Asked {
    include_usage: true,
    continuous_usage_stats: false,
};

/// A stream as vLLM sends it with the flag, and what is left of it for who asked for that.
fn stream(end: &str, asked: Asked) -> (String, String) {
    let usage = |made: u64| format!("\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{made}}}");
    let chunk = |text: &str, tail: &str| {
        let choice = format!("{{\"delta\":{{\"content\":\"{text}\"}}}}");
        format!("data: {{\"id\":\"x\",\"choices\":[{choice}]{tail}}}{end}{end}")
    };
    let say = "\\\"usage\\\":{} é😀";
    let total = format!("data: {{\"id\":\"x\",\"choices\":[],{}}}{end}{end}", usage(2));
    let done = format!(": keep-alive{end}{end}data: [DONE]{end}{end}");
    let told = [
        chunk("a", &format!(",{}", usage(1))),
        chunk(say, &format!(", {} ,\"last\":1", usage(2))),
        total.clone(),
        done.clone(),
    ];
    let left = if asked.include_usage { total } else { String::new() };
    let rest = [chunk("a", ""), chunk(say, " ,\"last\":1"), left, done];
    (told.concat(), rest.concat())
}

fn passed(asked: Asked, pieces: &[&[u8]]) -> String {
    let mut unasked = Unasked::of(asked).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(unasked.pass(&Bytes::copy_from_slice(piece)));
    }
    out.extend(unasked.finish());
    assert!(unasked.is_empty());
    String::from_utf8(out).unwrap()
}

#[test]
fn who_did_not_ask_gets_the_stream_that_it_asked_for() {
    for asked in [NOTHING, TOTAL] {
        for end in ["\n", "\r\n", "\r"] {
            let (told, left) = stream(end, asked);
            let bytes = told.as_bytes();
            // A byte at a time, and every split into two pieces, also inside of characters.
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            let plain = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
            assert_eq!(plain(&passed(asked, &single)), plain(&left), "{end:?}");
            for split in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(split);
                assert_eq!(
                    plain(&passed(asked, &[head, tail])),
                    plain(&left),
                    "{end:?} {split}"
                );
            }
        }
    }
    let all = Asked {
        include_usage: true,
        continuous_usage_stats: true,
    };
    assert!(Unasked::of(all).is_none());
}

#[test]
fn an_event_goes_on_as_soon_as_it_is_whole() {
    let mut unasked = Unasked::of(NOTHING).unwrap();
    let event = Bytes::from_static(b"data: {\"choices\":[{}]}\n\n");
    let sent = unasked.pass(&event);
    // The very bytes, not a copy.
    assert_eq!((sent.as_ptr(), sent.len()), (event.as_ptr(), event.len()));
    assert_eq!(unasked.pass(&Bytes::from_static(b"data: {\"cho")), Bytes::new());
    let rest = unasked.pass(&Bytes::from_static(b"ices\":[]}\n\ndata: [D"));
    assert_eq!(rest, "data: {\"choices\":[]}\n\n");
    assert_eq!(unasked.finish(), "data: [D");
}

#[test]
fn the_member_goes_wherever_it_stands() {
    let usage = "\"usage\" : {\"prompt_tokens\":3}";
    for (told, left) in [
        (format!("{{{usage},\"choices\":[1]}}"), "{\"choices\":[1]}"),
        (format!("{{\"choices\":[1] , {usage}}}"), "{\"choices\":[1] }"),
        (
            format!("{{\"a\":1,{usage},\"choices\":[1]}}"),
            "{\"a\":1,\"choices\":[1]}",
        ),
        // Nothing that vLLM adds: none, no object, one that others put in, two.
        (
            "{\"choices\":[1],\"usage\":null}".to_owned(),
            "{\"choices\":[1],\"usage\":null}",
        ),
        ("{\"usage\":{\"a\":1}}".to_owned(), "{\"usage\":{\"a\":1}}"),
        (
            "{\"choices\":[{\"usage\":{}}]}".to_owned(),
            "{\"choices\":[{\"usage\":{}}]}",
        ),
        ("{\"usage\":{} broken".to_owned(), "{\"usage\":{} broken"),
    ] {
        let event = |text: &str| format!("event: chunk\ndata:{text}\n\n");
        assert_eq!(passed(NOTHING, &[event(&told).as_bytes()]), event(left), "{told}");
    }
}

/// Runtimes that tell the total beside the last choice, to everybody: nobody made them.
#[test]
fn what_a_runtime_tells_of_itself_goes_through() {
    let usage = "\"usage\":{\"prompt_tokens\":3}";
    let total = format!("data: {{\"choices\":[],{usage}}}\n\n");
    let done = "data: [DONE]\n\n";
    for first in ["{\"choices\":[1]}", "{\"choices\":[1],\"usage\":null}"] {
        let told = format!("data: {first}\n\ndata: {{\"choices\":[2],{usage}}}\n\n");
        let text = format!("{told}{total}{done}");
        assert_eq!(passed(TOTAL, &[text.as_bytes()]), text);
        // An event without choices came to no client that did not ask for it.
        assert_eq!(passed(NOTHING, &[text.as_bytes()]), format!("{told}{done}"));
    }
}

#[test]
fn an_event_that_is_too_large_is_not_held() {
    let large = "x".repeat(2 * EVENT_BYTES);
    let event = format!("data: {{\"choices\":[\"{large}\"],\"usage\":{{}}}}\n\n");
    let (told, left) = stream("\n", NOTHING);
    let text = format!("{told}{event}{told}");
    let wanted = format!("{left}{event}{left}");
    let mut unasked = Unasked::of(NOTHING).unwrap();
    let mut out = Vec::new();
    for piece in text.as_bytes().chunks(1000) {
        out.extend(unasked.pass(&Bytes::copy_from_slice(piece)));
        assert!(unasked.held.len() <= EVENT_BYTES);
    }
    assert!(unasked.is_empty());
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
    assert_eq!(
        passed(NOTHING, &[text.as_bytes()]),
        format!("{left}{}{left}", {
            // In one piece it is whole at once, and read like any other.
            format!("data: {{\"choices\":[\"{large}\"]}}\n\n")
        })
    );
}

#[test]
fn the_request_says_what_is_asked_for() {
    let asked = |text: &str| {
        let mut wish = Wish::default();
        for piece in text.as_bytes().chunks(3) {
            wish.feed(piece, false);
        }
        let mut whole = Wish::default();
        whole.feed(text.as_bytes(), true);
        assert_eq!(whole.asked(), wish.asked(), "{text}");
        wish.asked()
    };
    assert_eq!(asked("{\"stream\":true}"), NOTHING);
    let text = "{\"messages\":[{\"stream_options\":{\"include_usage\":true}}],\"x\":{\"stream_options\":{\"include_usage\":true}}}";
    assert_eq!(asked(text), NOTHING);
    assert_eq!(
        asked("{\"stream_options\":{\"include_usage\":true},\"stream\":true}"),
        TOTAL
    );
    assert_eq!(asked("{\"stream_options\":null}"), NOTHING);
    let both =
        "{\"stream_options\": {\"include_usage\":true, \"continuous_usage_stats\": true, \"more\":{}}}";
    assert!(Unasked::of(asked(both)).is_none());
    let null = "{\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":null}}";
    assert_eq!(asked(null), TOTAL);
    let words = "{\"stream_options\":{\"include_usage\":\"yes\"}}";
    let all = Asked {
        continuous_usage_stats: true,
        ..TOTAL
    };
    assert_eq!(
        asked(words),
        all,
        "nothing is taken out of what may have been asked for"
    );
}
