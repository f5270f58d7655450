//! One controller for each kind. A reconcile is five lines: observe, decide, act, conclude, settle.

pub mod buyer_org;
pub mod change_order;
pub mod execute;
pub mod incident;
pub mod invoice;
pub mod model_asset;
pub mod offer;
pub mod order;
pub mod quote;
pub mod seller_profile;
pub mod support_ticket;
pub mod tunepod;

use crate::context::Context;
use futures::future::join_all;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use trustbridge_kit::shutdown::Shutdown;

/// Runs every controller until `shutdown`.
pub async fn run(ctx: &Arc<Context>, shutdown: &Shutdown) {
    let (ctx, end) = (|| Arc::clone(ctx), || shutdown.clone());
    let all: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = vec![
        Box::pin(seller_profile::run(ctx(), end())),
        Box::pin(buyer_org::run(ctx(), end())),
        Box::pin(offer::run(ctx(), end())),
        Box::pin(model_asset::run(ctx(), end())),
        Box::pin(quote::run(ctx(), end())),
        Box::pin(order::run(ctx(), end())),
        Box::pin(change_order::run(ctx(), end())),
        Box::pin(tunepod::run(ctx(), end())),
        Box::pin(invoice::run(ctx(), end())),
        Box::pin(support_ticket::run(ctx(), end())),
        Box::pin(incident::run(ctx(), end())),
        Box::pin(crate::nodepool::sweep::run(ctx(), end())),
    ];
    join_all(all.into_iter().map(tokio::spawn)).await;
}
