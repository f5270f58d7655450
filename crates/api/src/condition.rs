//! Condition types and reasons. A reason is API: its word appears in conditions, events and metrics alike.

/// Condition types of all kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionType {
    /// The object does what it is for (long-running kinds).
    Ready,
    /// The spec was understood and its references resolve.
    Accepted,
    /// The node pool exists and has its nodes.
    Provisioned,
    /// Port 8000 of the sentinel answers.
    Serving,
    /// What the sentinel counted is in UsageRecords.
    UsageRecorded,
    /// The sentinel renews its Lease: it is alive, whatever the pod's own conditions say.
    Heartbeat,
    /// The bounded kind reached its good end (orders, quotes).
    Succeeded,
    /// An invoice that is issued is paid, or taken back.
    Settled,
    /// The seller's first word in a ticket is owed.
    ResponseDue,
    /// The next word about an incident is owed.
    UpdateDue,
    /// A time that was promised was missed; it stays so.
    Breached,
}

impl ConditionType {
    /// The word in `status.conditions[].type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Accepted => "Accepted",
            Self::Provisioned => "Provisioned",
            Self::Serving => "Serving",
            Self::UsageRecorded => "UsageRecorded",
            Self::Heartbeat => "Heartbeat",
            Self::Succeeded => "Succeeded",
            Self::Settled => "Settled",
            Self::ResponseDue => "ResponseDue",
            Self::UpdateDue => "UpdateDue",
            Self::Breached => "Breached",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Reasons of conditions and events, each with what it means and the next step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason, for the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word in `reason`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What it means and what to do, as the reference page prints it.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }

        impl std::fmt::Display for Reason {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

reasons! {
    /// All is as the spec asks. Nothing to do.
    AsSpecified,
    /// Work is under way; the message says which step. Nothing to do.
    InProgress,
    /// `offerRef` names no Offer. Create the offer or correct the name: the order goes on by itself.
    OfferNotFound,
    /// The offer is not sold in the order's mode or billing model. Choose another; the order is over.
    OfferMismatch,
    /// `quoteRef` names no Quote, or its digest differs. Correct the reference.
    QuoteNotFound,
    /// The quote's `validUntil` passed. Ask for a new quote.
    QuoteExpired,
    /// A line has no list price. The seller quotes by hand.
    NeedsHuman,
    /// The quote was taken by another order. Ask for a new quote.
    QuoteTaken,
    /// `modelAssetRef` names no ModelAsset. Register it or correct the name.
    ModelAssetNotFound,
    /// The ModelAsset is not Ready. Its own conditions say why.
    ModelAssetNotReady,
    /// The buyer organisation of this namespace does not exist. The seller creates the BuyerOrg.
    BuyerOrgNotFound,
    /// The control plane knows the asset with another manifest. Correct `manifestSha256` or register again.
    ManifestMismatch,
    /// The control plane does not know the asset. The provider runs `trustbridge register`.
    AssetUnknown,
    /// The endpoint gave no usable answer. The message has the error; it is tried again by itself.
    EndpointUnreachable,
    /// The node pool is being made. Nothing to do.
    NodePoolCreating,
    /// Another operation of the cluster is in progress. Tried again by itself.
    Busy,
    /// The VM family's core quota is used up. Raise the quota or choose another offer; tried again at the time given.
    QuotaFamily,
    /// The region's core quota is used up. Raise the quota; tried again at the time given.
    QuotaRegion,
    /// The spot core quota is used up. Raise the quota; tried again at the time given.
    QuotaSpot,
    /// A quota is used up. Raise the quota; tried again at the time given.
    Quota,
    /// The VM size is not offered at present. Choose another offer; tried again at the time given.
    SkuUnavailable,
    /// The subscription may not use the VM size. Choose another offer; tried again at the time given.
    SkuForbidden,
    /// The zone has no capacity. Tried again at the time given.
    Zone,
    /// The region has no capacity. Tried again at the time given.
    Capacity,
    /// ARM asked to slow down. Tried again at the time given.
    Throttle,
    /// ARM refuses the request as it is. Correct the node pool settings; it is asked again at the time given.
    Fatal,
    /// The operator's identity lacks a right. Grant it; tried again every five minutes.
    Auth,
    /// A lock on the scope forbids the change. Remove the lock.
    Locked,
    /// The node pool is gone though it should be there. It is made again.
    Gone,
    /// A passing failure of ARM or the network. Tried again by itself.
    Transient,
    /// A node pool of that name is tagged as somebody else's, or not tagged, or at another provider. Set the tag back, or delete the pool; until then the end of a TunePod waits.
    ForeignNodePool,
    /// No node carries the labels that the static provider looks for. Label one.
    NoMatchingNode,
    /// The pod waits for a node. The message has the scheduler's words.
    PodPending,
    /// The pod was refused at admission. The message has the webhook's words.
    PodRefused,
    /// The API server refused to make an object of the order. The message has its words; correct what they name: it is tried again by itself.
    CreateRefused,
    /// The pod failed or vanished; it is made again.
    PodLost,
    /// The pod was made by a version before: its port 8000 has no certificate and asks for no token. Its door is shut, and it is deleted and made anew by itself; if it comes back the same, bring the webhook to the operator's version.
    PodOutdated,
    /// The sentinel is authorising, hydrating or decrypting. Nothing to do.
    Hydrating,
    /// The Secrets with token, certificate and authority of port 8000 cannot be read or made. The message has the API server's words; grant what they name: it is tried again by itself.
    AccessUnusable,
    /// The pod is ready, but its port 8000 does not answer the operator over TLS. The message has the error; look at the NetworkPolicy `operator` of the protected namespace and at the certificate: asked again by itself.
    PortSilent,
    /// Port 8000 answers and refuses the TunePod's token. A pod learns of new tokens within about two minutes and is asked again by itself; if it lasts, delete the pod: it is made anew.
    TokenRefused,
    /// Port 8000 accepts a token that nobody has: no list of tokens is enforced, and buyers are not let in. Bring the webhook and the sentinel's image to the operator's version, then delete the pod: it is made anew.
    PortOpen,
    /// The control plane denied the licence. The message has its reason; settle it with the provider.
    LicenceDenied,
    /// The sentinel stopped for good before it was ready. The message has the cause.
    SentinelSuspended,
    /// The end was asked for and its steps are running. Nothing to do.
    Terminating,
    /// Everything is wiped and closed. Nothing to do.
    Terminated,
    /// Something of the wipe was not observed, so it does not count as done; the phase stays `Wiping`. The message says what is left and who can end it.
    WipeIncomplete,
    /// The wipe was observed and its evidence cannot be signed; the phase stays `Wiping`. Make the SellerProfile Ready: it goes on by itself.
    EvidenceUnsigned,
    /// The API server refused the WipeEvidence, or one of that name is somebody else's or not signed by a published key; the phase stays `Wiping`. The message has the words; correct what they name: it is tried again by itself.
    EvidenceRefused,
    /// A node pool came into being after its end was attested; it is deleted again. Look at the WipeEvidence and at the provider's log of operations.
    PoolReturned,
    /// Usage went before it was read: somebody else acknowledged it, or the directory of the pod's sentinel was lost. The UsageRecord names it and is not complete; what comes after is recorded. Find out who else reads port 8001.
    UsageGap,
    /// The sentinel's usage is not the continuation of what was recorded: its outbox was changed or set back. Nothing more is taken of this pod. Look at its node, then delete the pod: a new one begins a new outbox, and the UsageRecord says what is missing.
    UsageForked,
    /// The sentinel's usage cannot be read, or its chain of hashes does not hold; nothing is taken of it. Check that operator and sentinel are of one version; else look at the pod's node, then delete the pod.
    UsageBroken,
    /// Another pod answers at the pod's address; nothing is taken of it. Asked again by itself.
    UsageForeign,
    /// The sentinel has not told its usage for three minutes. Its usage waits in the pod. Check the NetworkPolicy between operator and port 8001 of the pod; asked again by itself.
    UsageUnreachable,
    /// The pod went before the last usage of its sentinel could be read. The UsageRecord says since when usage may be missing and is not complete: bill that time by hand, or not at all.
    UsageLost,
    /// The API server refused the UsageRecord. The message has its words; usage waits in the pod. Correct what they name: it is tried again by itself.
    UsageUnwritable,
    /// The sentinel's Lease was not renewed for 40 s. If the pod is Ready all the same, the API server is out of its reach: look at the NetworkPolicy `api-server` of the protected namespace and at the node. Metering goes on while the pod is Ready; once the pod turns out to have stopped, it ends at the last beat.
    HeartbeatLost,
    /// The pod's sentinel has not renewed its Lease yet. Wait; if it lasts, a version before made the pod, or the NetworkPolicy `api-server` of the protected namespace keeps it from the API server.
    HeartbeatUnheard,
    /// The Lease of the sentinel cannot be read or made. The message has the API server's words; grant what they name: it is tried again by itself. Nothing else waits for it.
    HeartbeatUnusable,
    /// Something that the invoice follows from is in doubt; `spec.basis.doubts` says what. Look at it, then bill what is known by `spec.resolution`, in words for the buyer. Nothing is billed until then.
    BillingHold,
    /// The invoice's basis cannot be rated. The message has the rule; bill that period by hand.
    InvoiceUnratable,
    /// The invoice is issued and not paid in full; the message says how much is open and until when. A seller records payments in `spec.payments`.
    AwaitingPayment,
    /// The due day passed and something is open. Remind the buyer; a payment is recorded in `spec.payments` all the same.
    PaymentOverdue,
    /// More was paid than is owed, after what credit notes took back. Return the difference; the message says how much it is.
    Overpaid,
    /// A payment was taken out again by `spec.reversals`, and something is open. An invoice that was `Paid` stays so, because nothing follows that phase: `status.balance` counts. A payment that arrives is recorded in `spec.payments`.
    PaymentReversed,
    /// A credit note cannot be issued as it was asked for. The message has the rule; take back another amount under another `id`.
    CreditRefused,
    /// The ledger of metered intervals has no room, because those that are over cannot be moved to UsageRecords: there are too many of one day, or the record is somebody else's. Nothing is metered, and so nothing is served. The message names the record; end the order if it lasts.
    LedgerFull,
    /// Not every line of the definition of ready is met; the message names those that are not, and `status.readiness` says what was found of each. They are checked again by themselves.
    ReadinessUnmet,
    /// Nothing can check this line of the definition of ready here yet, or the check gave no answer: it is not taken for met. The message says what is missing.
    ProbeUnavailable,
    /// The check of this line of the definition of ready ran, and the line does not hold. The message says what was found; it is checked again by itself.
    ProbeFailed,
    /// `tunePodRef` or `tunePods` names no TunePod of this namespace. A ticket is answered all the same, with no time promised until one is found; an incident names what is affected by another entry.
    TunePodNotFound,
    /// The seller's first word, or the next one, is owed; the message says until when. A seller adds to `spec.updates`.
    WordOwed,
    /// The SellerProfile promises no time for this. Nothing to do.
    NothingPromised,
    /// The changes of the order contradict its lines, so nobody knows what was promised. Look at the order's `status.changes`; a ticket is answered all the same, and no change is accepted meanwhile.
    LinesInDoubt,
    /// A time that was promised was missed; the message says which and when. It stays so: settle it with the buyer.
    PromiseBroken,
    /// The incident is not resolved yet. A seller sets `spec.resolution` when it works again.
    NotResolved,
    /// No Order of that name is in the namespace. Correct `spec.orderRef` in another change order; this one waits 72 hours for it. A change whose order is gone is `Rejected` with the same reason.
    OrderNotFound,
    /// The order is not `Active`: a change is priced and applied while it runs. It goes on by itself once it is.
    OrderNotActive,
    /// The change is priced. The buyer answers in `spec.changeDecisions` of the Order, with its `status.digest`, before `status.validUntil`.
    AwaitingDecision,
    /// The decision names another digest than the change has. Read the change again, then correct the digest in `spec.changeDecisions` of the Order.
    DigestMismatch,
    /// The buyer declined the change. Nothing to do.
    ChangeDeclined,
    /// Nobody decided in time, or another change was applied since it was priced. Ask for it again.
    ChangeExpired,
    /// The change cannot be had. The message has the rule; ask for another.
    ChangeRefused,
    /// Another change of the order is on its way. It goes on by itself after that.
    ChangeWaiting,
    /// The change was given up, and the order is as before. Ask for it again.
    ChangeRolledBack,
    /// The object could not be decoded. Correct it: the message names the field.
    Undecodable,
    /// Nobody can say what of the offer can be had: the provider makes machines, and none was refused of late. Nothing to do.
    CapacityUnknown,
    /// The offer contradicts itself, or no known machine carries it. Correct it: the message names the field.
    OfferInvalid,
    /// The offer is not Ready and is not sold. Its own conditions say why: the quote goes on by itself.
    OfferNotReady,
    /// There is no SellerProfile that is Ready, so nothing can be priced or signed. Its own conditions say why.
    SellerNotReady,
    /// The SellerProfile contradicts itself. Correct it: the message names the field.
    SellerProfileInvalid,
    /// The key that signs quotes and invoices cannot be used. The message says what is wrong with its Secret.
    SigningKeyUnusable,
    /// The seller's person said no. The message has the reason.
    SellerRefused,
    /// `spec.resolution` answers another draft than the one that stands there now. Read the quote again and answer with its `status.draftDigest`.
    DraftChanged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_explains_itself() {
        for reason in Reason::ALL {
            assert!(reason.explanation().len() > 10, "{reason} has no explanation");
            assert!(reason.as_str().chars().all(char::is_alphanumeric));
        }
    }
}
