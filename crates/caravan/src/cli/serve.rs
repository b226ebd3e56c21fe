//! `caravan serve`: HTTP, beside workers that run elsewhere.

use std::sync::Arc;

use caravan::app::App;
use caravan::config::Settings;
use caravan::engine::{Stats, Stop};

use super::failure::Failure;
use super::run::{close_door, listen, open_door, stop_on_signals};
use super::time_data;

pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let Some(address) = settings.listen() else {
        return Err(Failure::usage("listen is off: give an address as --listen HOST:PORT, such as 127.0.0.1:8080"));
    };
    let stop = Stop::new();
    stop_on_signals(&stop)?;
    let stats = Arc::new(Stats::default());
    let server = listen(settings, address, &[], &stats, &stop).await;
    let server = server.map_err(|error| Failure::work(error.to_string()))?;
    let Some(app) = App::open_when_reachable(settings, &stop).await? else { return Ok(()) };
    time_data::settled(&app).await?;
    open_door(&app, &server, &[]).await?;
    stop.requested().await;
    close_door(Some(server), &stop).await;
    Ok(())
}
