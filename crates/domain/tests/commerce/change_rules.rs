//! What changes cost: the documents' numbers, and what is refused.

use crate::golden_quotes::{lines, minor, studio, tune};
use serde_json::Value;
use trustbridge_domain::pricing::QuoteLine;
use trustbridge_domain::quote::{
    Catalog, ChangeRefusal, ChangeRequest, SkuQuantity, StorageFit, documents, quote_change,
};

macro_rules! document {
    ($path:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("documents/", $path))).unwrap()
    };
}

#[test]
fn tune_change_is_4200_more_a_month() {
    let catalog = documents().unwrap();
    let body = document!("tune/change_order.create.json");
    let request: ChangeRequest = serde_json::from_value(body["request"].clone()).unwrap();
    let change = quote_change(&tune().lines, "private_llm_finetuning", &catalog, &request).unwrap();
    let seed = document!("tune/change_order.quote.json");
    assert_eq!(
        change.net_monthly_delta_minor,
        minor(&seed["delta_usd_per_month"])
    );
    assert_eq!(change.net_monthly_delta_minor, 420_000);
    assert_eq!(u64::from(change.eta_hours), seed["eta_hours"].as_u64().unwrap());
    assert_eq!(change.requires_reboot, seed["requires_reboot"]);
    let parts: Vec<i64> = change.delta_lines.iter().map(|l| l.delta_minor).collect();
    assert_eq!(parts, [355_000, 25_000, 40_000]);
    assert_eq!((change.net_hourly_delta_minor, change.extend_term_days), (0, 30));
}

#[test]
fn studio_change_is_650_a_month_and_3_50_an_hour() {
    let catalog = documents().unwrap();
    let body = document!("studio/change_order.create.json");
    let request: ChangeRequest = serde_json::from_value(body["request"].clone()).unwrap();
    let before = studio(StorageFit::BestEffort).lines;
    let change = quote_change(&before, "image_studio_sd", &catalog, &request).unwrap();
    assert_eq!(change.net_monthly_delta_minor, 65_000);
    assert_eq!(change.net_hourly_delta_minor, 350);
    let seed = document!("studio/change_order.quote.json");
    assert_eq!(u64::from(change.eta_hours), seed["eta_hours"].as_u64().unwrap());
    let hourly = &seed["delta_pricing"]["hourly"][0];
    assert_eq!(
        lines(&change.added_lines)[0],
        ("StudioGen-1GPU", 2, minor(&hourly["price_usd_per_hour"]))
    );
    for (line, seed) in change.added_lines[1..]
        .iter()
        .zip(seed["delta_pricing"]["monthly_addons"].as_array().unwrap())
    {
        assert_eq!(line.sku, seed["sku"]);
        assert_eq!(line.unit_price_minor, minor(&seed["price_usd_per_month"]));
    }
    assert_eq!(lines(&change.removed_lines), [("Support-Standard", 1, 20_000)]);
    assert!(!change.requires_reboot);
}

fn catalog() -> Catalog {
    documents().unwrap()
}

fn change(lines: &[QuoteLine], request: &ChangeRequest) -> Result<i64, ChangeRefusal> {
    quote_change(lines, "private_llm_finetuning", &catalog(), request).map(|c| c.net_monthly_delta_minor)
}

#[test]
fn changes_that_make_no_sense_are_refused_with_the_choices() {
    let lines = tune().lines;
    let request = ChangeRequest::default;
    assert_eq!(change(&lines, &request()), Err(ChangeRefusal::Nothing));
    for gpus in [1, 2, 8] {
        let asked = ChangeRequest {
            upgrade_gpu_count: Some(gpus),
            ..request()
        };
        let refusal = change(&lines, &asked).unwrap_err().to_string();
        assert!(refusal.contains("[1, 2, 4]"), "{gpus}: {refusal}");
    }
    let asked = ChangeRequest {
        support_tier: Some("gold".to_owned()),
        ..request()
    };
    assert!(
        change(&lines, &asked)
            .unwrap_err()
            .to_string()
            .contains("[standard, premium]")
    );
    let none = vec![SkuQuantity {
        sku: "TunePod-2GPU".to_owned(),
        qty: 0,
    }];
    let asked = ChangeRequest {
        add: none,
        ..request()
    };
    assert!(matches!(change(&lines, &asked), Err(ChangeRefusal::Count(_))));
    let odd = vec![SkuQuantity {
        sku: "Teapot".to_owned(),
        qty: 1,
    }];
    let asked = ChangeRequest {
        add: odd,
        ..request()
    };
    assert!(matches!(
        change(&lines, &asked),
        Err(ChangeRefusal::Unknown { .. })
    ));
    let asked = ChangeRequest {
        support_tier: Some("standard".to_owned()),
        ..request()
    };
    assert_eq!(change(&lines, &asked), Ok(0), "it has that tier");
    let asked = ChangeRequest {
        add_nvme_gb: Some(2001),
        ..request()
    };
    assert_eq!(change(&lines, &asked), Ok(50_000), "two whole add-ons");
}

#[test]
fn an_unpriced_change_is_for_a_person() {
    let lines = tune().lines;
    let request = ChangeRequest {
        add: vec![SkuQuantity {
            sku: "Eval-Worker-CPU".to_owned(),
            qty: 1,
        }],
        ..ChangeRequest::default()
    };
    let priced = quote_change(&lines, "private_llm_finetuning", &documents().unwrap(), &request).unwrap();
    assert_eq!(priced.unpriced[0].sku, "Eval-Worker-CPU");
    assert!(priced.added_lines.is_empty());
}
