//! What Azure and Azurite answer when they refuse, as an exit code, a cause and a next step.
//!
//! Nothing of an answer is repeated but its status, its code and its date: what a service echoes is not ours to
//! print. URLs come from the caller and carry no SAS (see `transport`).

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::HeaderName;
use jiff::Timestamp;
use trustbridge_azure::http;
use url::Url;

use super::credential::Access;
use crate::failure::{Exit, Failure};

/// The parts of an answer that count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) code: String,
    /// The service's clock.
    date: Option<Timestamp>,
}

impl Answer {
    /// The answer inside an error of the SDK, if there was one.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        let (status, error_code, raw_response) = chain(error).find_map(|cause| match sdk_kind(cause) {
            Some(ErrorKind::HttpResponse {
                status,
                error_code,
                raw_response,
            }) => Some((status, error_code, raw_response)),
            _ => None,
        })?;
        let header = |name: &'static str| {
            let headers = raw_response.as_ref()?.headers();
            headers.get_optional_string(&HeaderName::from_static(name))
        };
        let code = header("x-ms-error-code")
            .or_else(|| error_code.clone())
            .unwrap_or_default();
        let date = header("date").and_then(|text| {
            let zoned = jiff::fmt::rfc2822::parse(&text).ok()?;
            Some(zoned.timestamp())
        });
        Some(Self {
            status: u16::from(*status),
            code: code
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(60)
                .collect(),
            date,
        })
    }

    /// Whether there is no such blob.
    pub(crate) fn is_no_blob(&self) -> bool {
        self.status == 404 && !self.is_no_container() && self.code != "ResourceNotFound"
    }

    /// Whether there is no such container.
    pub(crate) fn is_no_container(&self) -> bool {
        self.status == 404 && matches!(self.code.as_str(), "ContainerNotFound" | "ContainerBeingDeleted")
    }

    /// Whether a condition of ours did not hold: the blob exists, or is another one now.
    pub(crate) fn is_conflict(&self) -> bool {
        self.status == 412 || (self.status == 409 && self.code == "BlobAlreadyExists")
    }

    fn is_denied(&self) -> bool {
        matches!(self.status, 401 | 403) || (self.status == 404 && self.code == "ResourceNotFound")
    }
}

/// Largest difference of clocks that the service puts up with.
const CLOCK_SECONDS: i64 = 15 * 60;

/// The failure of one call. `doing` says what was tried on `url`.
pub(crate) fn failure(doing: &str, url: &Url, access: &Access, error: &Error) -> Failure {
    let place = http::redact(url.as_str());
    let Some(answer) = Answer::of(error).filter(|_| !is_credential(error)) else {
        return without_answer(doing, &place, error);
    };
    let (exit, next) = judge(&answer, access, Timestamp::now());
    let said = format!("{doing} {place}: HTTP {} {}", answer.status, answer.code);
    Failure::new(exit, format!("{}; {next}", said.trim_end()))
}

fn judge(answer: &Answer, access: &Access, now: Timestamp) -> (Exit, String) {
    let code = answer.code.as_str();
    if answer.is_denied() {
        return (Exit::NotAllowed, denied(answer, access, now));
    }
    if answer.is_no_container() {
        let next = "there is no such container; make it, or give --create-container";
        return (Exit::Data, next.to_owned());
    }
    let (exit, next) = match (answer.status, code) {
        (408 | 429 | 500.., _) => (
            Exit::Unavailable,
            "the service is busy or in trouble; run it again later",
        ),
        (404, _) => (Exit::Data, "there is no such blob; upload it, or check the URL"),
        (400, "InvalidBlobOrBlock") => (
            Exit::Data,
            "unfinished blocks of another program lie under this name; delete the blob, or encrypt under another \
             asset id",
        ),
        _ if answer.is_conflict() => (
            Exit::Data,
            "the blob was changed by somebody else meanwhile; look at it, then run this again",
        ),
        _ => (Exit::Data, "the service does not accept this request"),
    };
    (exit, next.to_owned())
}

/// Why a credential was refused, as far as that can be told.
fn denied(answer: &Answer, access: &Access, now: Timestamp) -> String {
    let complaint = access.terms.as_ref().and_then(|terms| terms.complaint(now));
    if let Some(complaint) = complaint {
        let now = now.strftime("%Y-%m-%dT%H:%M:%SZ");
        return format!("{complaint}, it is {now} here; get a new one");
    }
    let name = access.name;
    let apart = answer.date.map(|date| now.as_second() - date.as_second());
    if let Some(apart) = apart.filter(|apart| apart.abs() > CLOCK_SECONDS) {
        return format!("this machine's clock is {apart} s ahead of the service's; set it, then try again");
    }
    match answer.code.as_str() {
        "AuthorizationPermissionMismatch" | "AuthorizationServiceMismatch" | "AuthorizationResourceTypeMismatch" => {
            let terms = access.terms.as_ref().and_then(|terms| terms.permissions.clone());
            let has = terms.map(|sp| format!(" with sp={sp}")).unwrap_or_default();
            format!(
                "the credential ({name}{has}) does not allow this: uploading needs read, create and write (a SAS with \
                 sp=rcw, or the role Storage Blob Data Contributor), reading needs read"
            )
        }
        "AuthorizationSourceIPMismatch" => "this address is not in the SAS's range".to_owned(),
        "AuthorizationProtocolMismatch" => "the SAS is for another protocol".to_owned(),
        "KeyBasedAuthenticationNotPermitted" => {
            "the account takes no keys and no SAS made from them; use a token (--credential environment, workload, \
             managed or cli) or a user delegation SAS"
                .to_owned()
        }
        "ResourceNotFound" | "NoAuthenticationInformation" | "PublicAccessNotPermitted" => {
            "it is not public, and no credential was sent; give a URL with a SAS, or --sas-file".to_owned()
        }
        _ if name == "no credential" => "it wants a credential; give a URL with a SAS, or --sas-file".to_owned(),
        _ => format!("the credential ({name}) is not accepted: it is wrong, has run out, or belongs to another account"),
    }
}

/// No answer of the store: a token could not be had, or the network failed.
fn without_answer(doing: &str, place: &str, error: &Error) -> Failure {
    if let Some(error) = transport_error(error) {
        // It names its URL itself.
        let text = error.to_string();
        let next = if text.contains("certificate") {
            "; trust its certificate authority with --ca-file"
        } else {
            ""
        };
        return Failure::new(Exit::Unavailable, format!("{doing}: {text}{next}"));
    }
    let exit = match Answer::of(error) {
        Some(answer) if matches!(answer.status, 408 | 429 | 500..) => Exit::Unavailable,
        _ if is_credential(error) => Exit::NotAllowed,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, format!("{doing} {place}: {}", reason(error)))
}

/// An error of the SDK in one line that holds nothing of an answer's body.
pub(crate) fn reason(error: &Error) -> String {
    if let Some(error) = transport_error(error) {
        return error.to_string();
    }
    if let Some(answer) = Answer::of(error) {
        return refused_by_name(&answer, is_credential(error));
    }
    // A parser's message could quote what it read.
    if chain(error).any(|cause| matches!(sdk_kind(cause), Some(ErrorKind::DataConversion))) {
        return "the answer is not understood".to_owned();
    }
    let text = error.to_string();
    let lines = text.lines().map(str::trim);
    let told: Vec<&str> = lines
        .filter(|line| !line.starts_with("To troubleshoot"))
        .collect();
    let words: Vec<&str> = told.iter().flat_map(|line| line.split_whitespace()).collect();
    words.join(" ").chars().take(300).collect()
}

/// Entra's codes are numbers that people look up as `AADSTS<number>`.
fn refused_by_name(answer: &Answer, by_token_endpoint: bool) -> String {
    let Answer { status, code, .. } = answer;
    if !by_token_endpoint {
        return format!("HTTP {status} {code}").trim_end().to_owned();
    }
    let is_number = !code.is_empty() && code.chars().all(|c| c.is_ascii_digit());
    let code = if is_number {
        format!(" AADSTS{code}")
    } else {
        String::new()
    };
    let next = match status {
        400 | 401 => "; the identity or its secret is not accepted",
        _ => "",
    };
    format!("the token endpoint answered HTTP {status}{code}{next}")
}

/// The error and what it was caused by, outermost first.
fn chain(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
}

fn sdk_kind<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e ErrorKind> {
    error.downcast_ref::<Error>().map(Error::kind)
}

fn transport_error(error: &Error) -> Option<&http::Error> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

fn is_credential(error: &Error) -> bool {
    chain(error).any(|cause| matches!(sdk_kind(cause), Some(ErrorKind::Credential)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustbridge_azure::http::Client;

    fn access(sas: Option<&str>) -> Access {
        let client = Client::builder().system_bundle(false).build().unwrap();
        sas.map_or_else(
            || Access::anonymous(&client),
            |sas| Access::sas(&client, sas.to_owned().into()),
        )
    }

    fn judged(status: u16, code: &str) -> (Exit, String) {
        let answer = Answer {
            status,
            code: code.to_owned(),
            date: None,
        };
        judge(&answer, &access(Some("sp=r&sig=x")), Timestamp::now())
    }

    #[test]
    fn each_answer_of_both_dialects_has_its_exit_code_and_next_step() {
        for (status, code, exit, word) in [
            (403, "AuthenticationFailed", Exit::NotAllowed, "not accepted"),
            (403, "AuthorizationFailure", Exit::NotAllowed, "not accepted"),
            (
                403,
                "AuthorizationPermissionMismatch",
                Exit::NotAllowed,
                "with sp=r",
            ),
            (401, "InvalidAuthenticationInfo", Exit::NotAllowed, "not accepted"),
            (404, "ResourceNotFound", Exit::NotAllowed, "no credential"),
            (404, "ContainerNotFound", Exit::Data, "--create-container"),
            (404, "BlobNotFound", Exit::Data, "no such blob"),
            (409, "BlobAlreadyExists", Exit::Data, "changed"),
            (412, "ConditionNotMet", Exit::Data, "changed"),
            (429, "", Exit::Unavailable, "later"),
            (500, "OperationTimedOut", Exit::Unavailable, "later"),
            (503, "ServerBusy", Exit::Unavailable, "later"),
            (400, "InvalidBlobOrBlock", Exit::Data, "another program"),
        ] {
            let (got, next) = judged(status, code);
            assert_eq!(got, exit, "{status} {code}");
            assert!(next.contains(word), "{status} {code}: {next}");
        }
    }

    #[test]
    fn a_refused_sas_says_why_where_it_can_be_seen() {
        let answer = |date: Option<&str>| Answer {
            status: 403,
            code: "AuthenticationFailed".to_owned(),
            date: date.map(|date| date.parse().unwrap()),
        };
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let told = |sas: &str, date| denied(&answer(date), &access(Some(sas)), now);
        assert!(told("se=2026-11-21T09:59:00Z&sig=x", None).contains("ran out"));
        assert!(told("sig=x", Some("2026-11-21T09:00:00Z")).contains("clock is 3600 s ahead"));
        assert!(told("sig=x", Some("2026-11-21T09:59:00Z")).contains("not accepted"));
    }

    #[test]
    fn nothing_of_a_body_or_a_query_is_repeated() {
        let response = azure_core::http::RawResponse::from_bytes(
            azure_core::http::StatusCode::Unauthorized,
            azure_core::http::headers::Headers::new(),
            "client_secret=SECRET",
        );
        let inner = Error::with_message(
            ErrorKind::HttpResponse {
                status: azure_core::http::StatusCode::Unauthorized,
                error_code: Some("7000215".to_owned()),
                raw_response: Some(Box::new(response)),
            },
            "SECRET",
        );
        let text = "ClientSecretCredential authentication failed. SECRET";
        let error = Error::with_error(ErrorKind::Credential, inner, text);
        let url = Url::parse("https://h.example/c?sig=SECRET").unwrap();
        let failure = failure("reading", &url, &access(None), &error);
        assert_eq!(failure.exit, Exit::NotAllowed);
        let said = failure.to_string();
        assert!(
            said.contains("AADSTS7000215") && !said.contains("SECRET"),
            "{said}"
        );
    }
}
