//! What is there: `fulfillment.update`, and in `tb1` `access.update` and `access.rotate`.

use crate::body::bodies;
use crate::form::Form;
use crate::messages::offer::{OUTBOUND, Resources};
use crate::shape::{DESTINATIONS, ID, INSTANT, LINES, PORT, Shape, URI, WORD};

/// `container` is what a development cluster reports; the documents know machines alone.
const KINDS: Shape = Shape::Text(Form::AnyOf(&["vm", "bare_metal", "container"]));
const STATUSES: Shape = Shape::Text(Form::AnyOf(&["PROVISIONING", "READY", "FAILED", "SUSPENDED"]));

bodies! {
    /// How an instance of an order stands.
    FulfillmentUpdate {
        /// The order.
        order_id: String = ID,
        /// The instance.
        service_instance: ServiceInstance,
        /// What must hold before an instance counts as ready, for people.
        ready_definition: Vec<String> = LINES,
        /// Added: how the order stands. Example: `Active`.
        order_status: Option<String> = WORD,
        /// Added: what was found of each line of the definition of ready.
        readiness: Vec<Readiness>,
    }

    /// A machine of an order.
    ServiceInstance {
        /// Its id, the same for its whole life.
        instance_id: String = ID,
        /// What it is for. Example: `finetune_workspace`.
        role: Option<String> = WORD,
        /// `vm`, `bare_metal`, or added: `container`.
        kind: Option<String> = KINDS,
        /// Where it runs.
        region: Option<String> = WORD,
        /// What it has.
        resources: Option<Resources>,
        /// `PROVISIONING`, `READY`, `FAILED`, and in `tb1` `SUSPENDED`.
        status: Option<String> = STATUSES,
        /// How to get at it; absent until it is ready.
        access: Option<Access>,
        /// Ways in and out.
        network_policy: Option<NetworkPolicy>,
        /// What holds about neighbours and data.
        security: Option<Security>,
        /// Added: it rests; without `tb1` its status stays `READY`.
        suspended: Option<bool>,
    }

    /// How to get at an instance.
    Access {
        /// By SSH: a workspace.
        ssh: Option<Ssh>,
        /// Added: by HTTPS: a protected model.
        https: Option<Https>,
    }

    /// A way in by SSH.
    Ssh {
        /// Host name or address.
        host: Option<String> = WORD,
        /// Port.
        port: Option<u32> = PORT,
        /// User.
        user: Option<String> = WORD,
    }

    /// A way in by HTTPS. The token itself is never sent.
    Https {
        /// Base URL.
        url: String = URI,
        /// Secret with the bearer token, in the organisation's namespace.
        token_secret: Option<KeyReference>,
        /// `ConfigMap` with the certificate authorities to trust, in the organisation's namespace.
        ca: Option<KeyReference>,
    }

    /// An entry of an object in the organisation's namespace.
    KeyReference {
        /// Name of the object.
        name: String = WORD,
        /// Key of the entry.
        key: String = WORD,
    }

    /// Ways in and out.
    NetworkPolicy {
        /// From where: `buyer_ip_ranges` or networks.
        inbound_sources: Vec<String> = Shape::list(&Shape::Text(Form::Source)),
        /// `open`, `restricted` or `blocked`.
        outbound_mode: Option<String> = OUTBOUND,
        /// `host:port` that may be reached. Fine-tuning.
        outbound_allowlist: Vec<String> = DESTINATIONS,
    }

    /// What holds about neighbours and data.
    Security {
        /// Nobody else is on the machine.
        single_tenant: Option<bool>,
        /// Nothing is recorded but start, stop, GPUs and bytes. Fine-tuning.
        no_telemetry: Option<bool>,
        /// What logs may hold. Fine-tuning.
        logging_policy: Option<String> = WORD,
        /// What was on it is gone at the end. Studio.
        wipe_on_termination: Option<bool>,
    }

    /// What was found of a line of the definition of ready.
    Readiness {
        /// The line's id.
        id: String = WORD,
        /// Whether it holds: `True`, `False` or `Unknown`. Only `True` counts.
        met: String = Shape::Text(Form::One(&["True", "False", "Unknown"])),
        /// One word. Example: `ProbeUnavailable`.
        reason: Option<String> = WORD,
        /// When it was found.
        checked_at: Option<String> = INSTANT,
    }

    /// `tb1`: how to get at an instance has changed.
    AccessUpdate {
        /// The order.
        order_id: Option<String> = ID,
        /// The instance.
        instance_id: String = ID,
        /// How to get at it now.
        access: Access,
    }

    /// `tb1`: a new token is wanted; the old one holds for a while.
    AccessRotate {
        /// The order.
        order_id: Option<String> = ID,
        /// The instance.
        instance_id: String = ID,
    }
}
