//! The settings of a machine that bills itself (`TB_METERING_*`).

use super::read::{Reader, UNSET};
use super::{Federated, OwnMeter};
use crate::billing::{DEFAULT_DIMENSIONS, parse_dimensions};

const URL: &str = "TB_METERING_URL";

impl Reader {
    /// With `TB_METERING_URL` the others are judged; without it they mean nothing, and one that is set is a mistake.
    pub(super) fn own_meter(&mut self) -> Option<OwnMeter> {
        let Some(url) = self.optional(URL) else {
            for name in [
                "TB_METERING_RESOURCE",
                "TB_METERING_PLAN",
                "TB_METERING_DIMENSIONS",
            ] {
                if self.optional(name).is_some() {
                    self.problem(
                        URL,
                        UNSET,
                        &format!("is required beside {name}"),
                        "set both, or none",
                    );
                }
            }
            return None;
        };
        if self.has("TB_POD_NAME") {
            let rule = "must not be set in a pod: there the operator fetches /usage and reports it";
            self.problem(URL, &url, rule, "leave it out");
        }
        let https = self.https(URL, &url);
        let resource = "what usage is reported against: the managed application's or the subscription's id";
        Some(OwnMeter {
            url: https.map(|url| url.as_str().to_owned()).unwrap_or_default(),
            resource: self.required("TB_METERING_RESOURCE", resource),
            plan: self.required("TB_METERING_PLAN", "the id of the purchased plan"),
            dimensions: self.dimensions(),
            client_id: self.optional("TB_METERING_CLIENT_ID"),
            federated: self.federated(),
        })
    }

    fn dimensions(&mut self) -> Vec<crate::billing::Term> {
        let name = "TB_METERING_DIMENSIONS";
        let text = self
            .optional(name)
            .unwrap_or_else(|| DEFAULT_DIMENSIONS.to_owned());
        parse_dimensions(&text).unwrap_or_else(|| {
            let rule = "must be DIMENSION=COUNTER[+COUNTER...][/1000], each dimension once, of the counters requests, \
                        request_bytes, response_bytes, prompt_tokens, completion_tokens";
            self.problem(name, &text, rule, &format!("leave it out for {DEFAULT_DIMENSIONS}"));
            Vec::new()
        })
    }

    fn federated(&mut self) -> Option<Federated> {
        let token_file = self.optional_path("AZURE_FEDERATED_TOKEN_FILE")?;
        let what = "the identity whose federated credential AZURE_FEDERATED_TOKEN_FILE proves";
        let authority = self
            .optional("AZURE_AUTHORITY_HOST")
            .unwrap_or_else(|| "https://login.microsoftonline.com".to_owned());
        self.https("AZURE_AUTHORITY_HOST", &authority);
        Some(Federated {
            authority,
            tenant: self.required("AZURE_TENANT_ID", what),
            client_id: self.required("AZURE_CLIENT_ID", what),
            token_file,
        })
    }
}
