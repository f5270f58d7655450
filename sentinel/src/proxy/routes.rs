//! Which client paths exist: a list, compared letter by letter. What is not on it does not.

use http::Method;

use crate::config::AllowedPath;

const POST: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
];

/// The list.
#[derive(Debug)]
pub(super) struct Routes {
    more: Vec<AllowedPath>,
}

impl Routes {
    pub(super) fn new(more: &[AllowedPath]) -> Self {
        Self { more: more.to_vec() }
    }

    /// The path as it came: an encoded or doubled character makes it another path, which is not on the list.
    pub(super) fn allows(&self, method: &Method, path: &str) -> bool {
        match *method {
            Method::GET if path == "/v1/models" => true,
            Method::POST if POST.contains(&path) => true,
            _ => self
                .more
                .iter()
                .any(|allowed| allowed.path == path && fits(allowed, method)),
        }
    }
}

fn fits(allowed: &AllowedPath, method: &Method) -> bool {
    match &allowed.method {
        Some(only) => only == method,
        None => matches!(*method, Method::GET | Method::POST),
    }
}

#[cfg(test)]
mod tests {
    use super::Routes;
    use crate::config::AllowedPath;
    use http::Method;

    #[test]
    fn only_the_list_passes() {
        let path = |method, path: &str| AllowedPath {
            method,
            path: path.to_owned(),
        };
        let routes = Routes::new(&[path(None, "/v1/demo"), path(Some(Method::GET), "/v1/info")]);
        for (method, path) in [
            (Method::GET, "/v1/models"),
            (Method::POST, "/v1/chat/completions"),
            (Method::POST, "/v1/embeddings"),
            (Method::GET, "/v1/demo"),
            (Method::POST, "/v1/demo"),
            (Method::GET, "/v1/info"),
        ] {
            assert!(routes.allows(&method, path), "{method} {path}");
        }
        for (method, path) in [
            (Method::POST, "/v1/models"),
            (Method::GET, "/v1/chat/completions"),
            (Method::POST, "/v1/chat/completions/"),
            (Method::POST, "/v1//chat/completions"),
            (Method::POST, "/v1/%63hat/completions"),
            (Method::POST, "/v1/load_lora_adapter"),
            (Method::POST, "/invocations"),
            (Method::POST, "/v1/info"),
            (Method::DELETE, "/v1/demo"),
            (Method::GET, "/metrics"),
            (Method::GET, "/"),
        ] {
            assert!(!routes.allows(&method, path), "{method} {path}");
        }
    }
}
