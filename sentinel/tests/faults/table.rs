//! The fault matrix as data: each cell names the cases that play it, or says why it has none.
//!
//! A case is a function of this target, or a test elsewhere: `FILE#NAME`, the file relative to the workspace.

/// The states, in the order of the cells.
pub const STATES: [&str; 7] = [
    "Boot",
    "Authorize",
    "Hydrate",
    "Decrypt",
    "Ready",
    "Training",
    "Suspended",
];

/// One field of the matrix.
#[derive(Clone, Copy, Debug)]
pub enum Cell {
    Played(&'static [&'static str]),
    No(&'static str),
}

use Cell::{No, Played};

/// One fault in every state.
pub struct Row {
    pub id: &'static str,
    pub fault: &'static str,
    pub outcome: &'static str,
    pub cells: [Cell; 7],
}

const TRAINING: Cell =
    No("This version has no state Training: TB_FINETUNE_ENABLED=true is refused at start.");
const BOOT_ASKS_NOBODY: Cell = No("Boot reads settings and clears memory; it speaks with nobody.");
const NOT_YET_ASKED: Cell = Played(&["envelope::the_store_is_not_asked_before_the_authorisation"]);
const NO_LONGER_ASKED: Cell = Played(&["envelope::the_store_is_not_asked_after_hydration"]);
const SUSPENDED_ASKS_NOBODY: Cell = Played(&["answers::refused_for_ever_is_a_no"]);
const NO_PLANE_SUSPENDED: Cell = Played(&["licence::denied_at_first"]);
const NO_CIPHERTEXT: Cell = No("There is no ciphertext before Hydrate, and no byte is asked for.");
const FORGOTTEN: Cell =
    No("Suspended has closed the FIFOs and forgotten the key: nothing reads the ciphertext.");
const NO_FIFO: Cell =
    No("FIFOs and files in memory are made in Hydrate, once manifest and key stand, and not before.");
const FIFO_GONE: Cell =
    No("Suspended has removed the FIFOs; that none is left, every case that ends there asserts.");
const NO_PORT: Cell = No("Port 8000 is not bound; that it is shut before a load, every case asserts.");
const NO_USE: Cell =
    No("Usage arises in Ready alone; the reporting task runs beside the states and does not ask for them.");
const BESIDE: Cell = No("The reporting task runs beside the states: what Ready plays is what happens here.");

/// A fault of the store or of the way to it: it can strike while it is asked.
const fn store(
    id: &'static str,
    fault: &'static str,
    outcome: &'static str,
    hydrate: &'static [&'static str],
) -> Row {
    let cells = [
        BOOT_ASKS_NOBODY,
        NOT_YET_ASKED,
        Played(hydrate),
        NO_LONGER_ASKED,
        NO_LONGER_ASKED,
        TRAINING,
        SUSPENDED_ASKS_NOBODY,
    ];
    row(id, fault, outcome, cells)
}

/// Wrong bytes: served, or put on the disk after they were verified.
const fn bytes(
    id: &'static str,
    fault: &'static str,
    served: &'static [&'static str],
    altered: &'static [&'static str],
) -> Row {
    let cells = [
        NO_CIPHERTEXT,
        NO_CIPHERTEXT,
        Played(served),
        Played(altered),
        Played(altered),
        TRAINING,
        FORGOTTEN,
    ];
    row(id, fault, "never Ready; Suspended, cause Integrity", cells)
}

/// A fault of the control plane: at the first question, and at a renewal in each later state.
const fn plane(
    id: &'static str,
    fault: &'static str,
    outcome: &'static str,
    first: &'static [&'static str],
    renewal: &'static [&'static str],
) -> Row {
    let cells = [
        BOOT_ASKS_NOBODY,
        Played(first),
        Played(renewal),
        Played(renewal),
        Played(renewal),
        TRAINING,
        NO_PLANE_SUSPENDED,
    ];
    row(id, fault, outcome, cells)
}

const fn metering(
    id: &'static str,
    fault: &'static str,
    outcome: &'static str,
    ready: &'static [&'static str],
) -> Row {
    let cells = [NO_USE, NO_USE, NO_USE, BESIDE, Played(ready), TRAINING, BESIDE];
    row(id, fault, outcome, cells)
}

const fn row(id: &'static str, fault: &'static str, outcome: &'static str, cells: [Cell; 7]) -> Row {
    Row {
        id,
        fault,
        outcome,
        cells,
    }
}

const BUDGET: &str = "taken up at the last byte that landed, at most one range again for each fault; a bounded number of attempts";
const FINAL: &str = "Suspended, cause Denied, asked once; port 8000 shut, or 403 where it was open";

/// The matrix.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    store("B1", "short body", BUDGET, &["transfer::short_bodies_are_taken_up", "transfer::short_bodies_for_ever"]),
    store("B2", "reset in the middle of a range", BUDGET, &["transfer::resets_are_taken_up", "transfer::resets_for_ever", "sentinel/tests/azurite/changed.rs#lines_that_break_are_taken_up"]),
    store("B3", "slowloris", BUDGET, &["transfer::a_trickle_is_given_up_and_tried_again", "transfer::a_trickle_for_ever"]),
    store("B4", "stall", BUDGET, &["transfer::stalls_are_given_up_and_tried_again", "transfer::a_stall_before_the_head_is_given_up", "transfer::a_stop_in_the_middle_of_a_stall"]),
    store("B5", "200 to a Range request", "never written; gives up", &["transfer::a_whole_blob_for_a_range_is_refused"]),
    store("B6", "wrong or missing Content-Range, multipart", "range refused and asked for again, then gives up", &["transfer::mislabelled_ranges_are_asked_for_again", "transfer::mislabelled_ranges_for_ever"]),
    store("B7", "ETag changes", "all is discarded, a fresh authorisation and manifest, three rounds at most; a runtime keeps what it has of the same asset, and another asset ends the sentinel", &["transfer::another_etag_begins_again", "transfer::another_etag_each_time", "overlap::another_etag_under_a_reader", "overlap::the_same_asset_between_two_files", "overlap::another_asset_between_two_files", "sentinel/tests/azurite/changed.rs#an_overwritten_blob_is_fetched_anew", "sentinel/tests/azurite/changed.rs#a_blob_that_becomes_another_one", "sentinel/tests/azurite/changed.rs#a_blob_that_becomes_shorter"]),
    store("B8", "403 expired SAS, on all workers at once", "exactly one authorisation more; the new URL may point elsewhere", &["answers::a_sas_runs_out_on_all_workers_as_azure_says_it", "answers::a_sas_runs_out_on_all_workers_as_azurite_says_it", "answers::refused_together_they_ask_once", "answers::a_sas_dead_on_arrival", "answers::a_renewed_url_points_elsewhere", "sentinel/tests/azurite/refused.rs#a_sas_runs_out_in_the_middle"]),
    store("B9", "403 for ever", "Suspended, cause Denied, three questions", &["answers::refused_for_ever_is_a_no", "answers::a_missing_right_is_a_no", "sentinel/tests/azurite/refused.rs#a_wrong_signature_is_a_no", "sentinel/tests/azurite/refused.rs#a_missing_right_is_a_no"]),
    store("B10", "429 and 503 with every kind of Retry-After", "waited for, a minute at most, the back-off at least", &["answers::retry_after_in_every_form", "answers::retry_after_zero_is_no_storm", "answers::retry_after_for_ages"]),
    store("B11", "500, 502, 504 storms", "ridden out, then gives up", &["answers::server_errors_are_ridden_out", "answers::server_errors_for_ever", "answers::server_errors_before_the_first_range"]),
    store("B12", "redirects", "not followed; gives up", &["answers::redirects_are_not_followed"]),
    store("B13", "encoded bodies, bombs", "refused, not unpacked", &["envelope::encoded_bodies_are_asked_for_again", "envelope::encoded_bodies_for_ever", "envelope::a_manifest_that_is_a_bomb"]),
    store("B14", "TLS: expired, not yet valid, other host, self-signed, none, cut without close_notify", "closed; never plain http", &["envelope::stores_that_prove_nothing", "envelope::tls_that_ends_without_a_word", "sentinel/tests/azurite/refused.rs#a_store_whose_authority_is_not_trusted"]),
    store("B15", "lengths that lie", "judged before room is taken", &["envelope::lengths_that_lie_at_head", "envelope::lengths_that_lie_in_a_range"]),
    bytes("B16", "one flipped byte", &["disk::a_flipped_byte_is_served", "overlap::wrong_bytes_under_a_reader", "sentinel/tests/serve/path.rs#one_flipped_byte_of_ciphertext_never_gets_ready", "sentinel/tests/azurite/changed.rs#wrong_bytes_from_the_start"], &["disk::a_byte_is_flipped_on_the_disk"]),
    bytes("B17", "truncated at a record, manifest forged to match (anchored)", &["disk::a_truncated_file_with_a_forged_manifest_is_served", "sentinel/tests/azurite/changed.rs#wrong_bytes_from_the_start"], &["disk::the_file_is_cut_on_the_disk"]),
    bytes("B18", "two ranges swapped", &["disk::swapped_ranges_are_served", "overlap::wrong_bytes_under_a_reader"], &["disk::ranges_are_swapped_on_the_disk"]),
    bytes("B19", "a zero-filled hole", &["disk::a_hole_is_served", "overlap::wrong_bytes_under_a_reader", "disk::a_journal_that_lies", "overlap::damage_of_an_earlier_start_under_a_reader"], &["disk::a_hole_is_torn_into_the_disk"]),
    bytes("B20", "another asset's valid file", &["disk::another_assets_file_is_served", "overlap::wrong_bytes_under_a_reader", "sentinel/tests/azurite/changed.rs#wrong_bytes_from_the_start"], &["disk::another_file_lies_on_the_disk"]),
    row("B21", "disk full, read-only, no growth", "says which volume; nothing of it is used again", [
        Played(&["disk::a_read_only_state_directory"]),
        No("Authorize writes only the machine's id, and that is a convenience: its loss is a warning."),
        Played(&["disk::a_full_volume", "disk::a_read_only_volume", "disk::a_file_that_may_not_grow", "disk::a_memory_volume_that_is_too_small"]),
        No("Everything that is written for delivery was written in Hydrate; FIFOs take no room."),
        Played(&["disk::a_full_audit_volume"]),
        TRAINING,
        No("Suspended writes the termination message and nothing else; the kubelet owns that file."),
    ]),
    row("B22", "kill -9, then a start", "completes; what the journal names is not fetched again; the digest is always computed anew", [
        Played(&["disk::killed_at_boot"]),
        Played(&["disk::killed_while_it_asks"]),
        Played(&["sentinel/tests/faults/crash.rs#killed_at_random_points_it_always_completes", "disk::a_journal_that_lies", "disk::a_journal_that_is_torn", "sentinel/tests/serve/recovery.rs#a_killed_start_is_taken_up_where_it_ended"]),
        Played(&["sentinel/tests/faults/crash.rs#killed_at_random_points_it_always_completes", "sentinel/tests/serve/recovery.rs#what_a_dead_start_left_damaged_is_fetched_again", "sentinel/tests/serve/recovery.rs#a_reader_that_waits_at_a_dead_sentinels_fifo_is_woken"]),
        Played(&["sentinel/tests/serve/recovery.rs#a_sentinel_that_dies_beside_a_loaded_runtime_serves_again"]),
        TRAINING,
        Played(&["disk::killed_while_suspended"]),
    ]),
    store("B23", "the blob or its container is not there, or goes", "gives up and names it; Azurite plays this row alone", &["sentinel/tests/azurite/refused.rs#a_blob_or_container_that_is_gone"]),
    row("B24", "every record is authentic, the digest is another one", "all but the last chunk may have been read; Suspended, cause Integrity", [
        NO_CIPHERTEXT, NO_CIPHERTEXT,
        Played(&["overlap::the_last_chunk_waits_for_the_digest"]),
        No("Decrypt begins when every digest stands."),
        No("Decrypt begins when every digest stands, and Ready comes after it."),
        TRAINING, FORGOTTEN,
    ]),
    row("B25", "small files beside large ones that are slow", "small ones are fetched first and offered while the large ones land", [
        NO_CIPHERTEXT, NO_CIPHERTEXT,
        Played(&["overlap::small_files_come_first"]),
        No("Every byte has landed before Decrypt."),
        No("Every byte has landed before Ready."),
        TRAINING, FORGOTTEN,
    ]),
    plane("C1", "denied", FINAL, &["licence::denied_at_first"], &["renewal::denied_at_a_renewal"]),
    plane("C2", "401", FINAL, &["licence::unauthorized_at_first"], &["renewal::unauthorized_at_a_renewal"]),
    plane("C3", "403", FINAL, &["licence::forbidden_at_first"], &["renewal::forbidden_at_a_renewal"]),
    plane("C4", "unknown status", FINAL, &["licence::an_unknown_word_at_first"], &["renewal::an_unknown_word_at_a_renewal"]),
    plane("C5", "malformed key", "refused before use, never repeated", &["licence::malformed_keys_are_refused_and_not_repeated"], &["renewal::a_malformed_key_at_a_renewal"]),
    plane("C6", "well-formed wrong key", "commitment or renewal tells; no ciphertext is fetched", &["licence::a_wrong_key"], &["renewal::another_key_at_a_renewal"]),
    row("C7", "clocks: past, far future, other offset, no zone, the epoch", "one minute of skew; renewed at 80 % of the life by the steady clock", [
        BOOT_ASKS_NOBODY,
        Played(&["licence::clocks_that_differ"]),
        No("A transfer uses no clock of the wall; renewals go on beside it as they do in Decrypt."),
        Played(&["renewal::renewals_come_in_time", "renewal::an_old_answer_at_every_renewal"]),
        Played(&["renewal::renewals_come_in_time", "renewal::an_old_answer_at_every_renewal"]),
        TRAINING,
        NO_PLANE_SUSPENDED,
    ]),
    plane("C8", "monstrous answers: large, slow, deep, keys twice, more fields", "refused, nothing repeated; a renewal goes on until the end", &["licence::monstrous_answers", "licence::a_slow_answer"], &["renewal::monstrous_answers_at_a_renewal"]),
    plane("C9", "outage", "three attempts; later it serves until expires_at and the declared grace", &["licence::an_outage_before_the_first_answer"], &["renewal::an_outage_at_a_renewal"]),
    row("C10", "denied at a renewal", "Suspended at once; FIFOs, signal and key are gone", [
        BOOT_ASKS_NOBODY,
        No("In Authorize there is nothing to renew; the first no is C1."),
        Played(&["renewal::denied_at_a_renewal", "overlap::denied_under_a_reader"]),
        Played(&["renewal::denied_at_a_renewal"]),
        Played(&["renewal::denied_at_a_renewal", "sentinel/tests/serve/path.rs#a_contract_that_ends_closes_the_model"]),
        TRAINING,
        NO_PLANE_SUSPENDED,
    ]),
    plane("C11", "swapped assets", "Suspended, cause Integrity", &["licence::swapped_assets"], &["renewal::another_asset_at_a_renewal"]),
    row("R1", "the reader never opens the FIFO", "waits without blocking; a stop does not wait", [
        NO_FIFO, NO_FIFO,
        Played(&["overlap::nobody_reads_along", "overlap::plaintext_follows_the_landing"]),
        Played(&["reader::nobody_reads", "sentinel/tests/serve/recovery.rs#a_stop_while_waiting_ends_at_once"]),
        Played(&["reader::nobody_reads_again"]),
        TRAINING, FIFO_GONE,
    ]),
    row("R2", "the reader dies midway", "back to Decrypt, a new stream from the first record; never Ready", [
        NO_FIFO, NO_FIFO,
        Played(&["overlap::a_reader_that_dies_while_bytes_land", "overlap::a_stop_under_a_reader"]),
        Played(&["sentinel/tests/serve/recovery.rs#a_reader_that_dies_is_served_again_from_the_beginning", "reader::a_reader_that_reads_nothing"]),
        Played(&["reader::the_second_load_dies"]),
        TRAINING, FIFO_GONE,
    ]),
    row("R3", "the runtime starts anew", "streamed again from the local ciphertext, every record verified again", [
        NO_FIFO, NO_FIFO,
        Played(&["overlap::a_reader_that_dies_while_bytes_land"]),
        Played(&["sentinel/tests/serve/recovery.rs#a_reader_that_dies_is_served_again_from_the_beginning"]),
        Played(&["sentinel/tests/serve/recovery.rs#a_runtime_that_starts_anew_is_served_anew_and_clients_are_told_to_wait"]),
        TRAINING, FIFO_GONE,
    ]),
    row("R4", "two readers", "who comes later finds no name; no byte is sent twice", [
        NO_FIFO, NO_FIFO,
        Played(&["overlap::plaintext_follows_the_landing"]),
        Played(&["reader::two_readers"]),
        Played(&["reader::the_second_load_dies"]),
        TRAINING, FIFO_GONE,
    ]),
    row("R5", "an old ready signal or FIFO in memory", "removed before the first wait", [
        Played(&["reader::leftovers_in_memory"]),
        No("Boot has removed what was there; the case looks while Authorize waits."),
        No("What is there now is of this start; Boot has removed the rest."),
        Played(&["reader::somebody_takes_the_name"]),
        No("A signal or FIFO of this start is no leftover."),
        TRAINING, FIFO_GONE,
    ]),
    row("R6", "the runtime has another user", "0600, for the owner only", [
        NO_FIFO, NO_FIFO,
        Played(&["overlap::nobody_reads_along"]),
        Played(&["reader::nobody_reads"]),
        No("The FIFO is made by the same function as in Decrypt. That both containers have one user is the webhook's part."),
        TRAINING, FIFO_GONE,
    ]),
    row("R7", "files in memory do not fit", "refused before the first byte, with the number", [
        NO_FIFO, NO_FIFO,
        Played(&["disk::a_memory_volume_that_is_too_small", "sentinel/src/decrypt/room.rs#the_limit_is_that_of_the_own_group"]),
        No("Room is judged and files in memory are written once, in Hydrate."),
        No("Room is judged and files in memory are written once, in Hydrate."),
        TRAINING, FIFO_GONE,
    ]),
    row("R8", "the machine's id has no source, or another one", "the same after a start; without any it says what to set", [
        No("The id is looked for when the control plane is to be asked."),
        Played(&["reader::the_machines_id", "sentinel/src/license/fingerprint.rs#sources_are_asked_in_order"]),
        No("Known since Authorize."), No("Known since Authorize."), No("Known since Authorize."),
        TRAINING,
        No("Nobody is asked any more."),
    ]),
    metering("M1", "metering: timeout after accept", "the Duplicate's quantity is compared", &["crates/domain/src/metering/tests/mod.rs#a_duplicate_is_compared_and_the_difference_is_carried_in_both_directions", "crates/domain/src/metering/tests/mod.rs#what_may_have_arrived_is_sent_again_unchanged"]),
    metering("M2", "metering: outage", "durable hours, grace, then Suspended", &["crates/domain/src/metering/tests/mod.rs#an_outage_is_measured_by_the_steady_clock_and_ends_with_any_answer", "sentinel/src/billing/simulation/mod.rs#thirty_days_are_billed_exactly"]),
    metering("M3", "metering: disabled, inactive", "Suspended with 402", &["sentinel/tests/serve/billing.rs#a_machine_reports_by_itself_and_is_suspended_with_402"]),
    metering("M4", "metering: crash between report and reset, clock back", "billed equals consumed", &["sentinel/tests/serve/billing.rs#usage_is_counted_kept_through_a_kill_and_handed_out_once", "sentinel/src/billing/simulation/mod.rs#thirty_days_are_billed_exactly"]),
    row("P1", "slow, many, large, sly clients; a runtime that hangs", "limits, 4xx and 503; others are served; a stop within its time", [
        NO_PORT, NO_PORT, NO_PORT,
        Played(&["clients::knocking_before_ready", "clients::sly_requests_while_it_loads"]),
        Played(&["clients::slow_clients", "clients::more_clients_than_files", "clients::sly_requests", "clients::header_bombs", "clients::an_upload_without_end", "clients::a_runtime_that_thinks_for_ever", "clients::a_runtime_that_hangs", "sentinel/tests/serve/proxy.rs#ambiguous_requests_tokens_and_sizes_are_refused"]),
        TRAINING,
        Played(&["clients::sly_requests_while_suspended"]),
    ]),
    row("T1", "training: job dies, worker out of memory, half an adapter", "back to Ready, nothing half is listed",
        [TRAINING; 7]),
];
