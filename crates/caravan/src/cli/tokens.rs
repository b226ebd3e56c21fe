//! `caravan tokens`: who may come in over HTTP.

use caravan::access::{TOKEN_NAME_CHARS_MAX, create_token, revoke_token};
use caravan::app::App;
use caravan::config::Settings;
use caravan::platform::desk::Token;
use caravan::platform::transaction::CommitError;
use caravan_domain::access::Role;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::args::{ListArgs, RevokeArgs, TokenCreateArgs, TokensCommand};
use super::failure::Failure;
use super::output::{List, Output, Row, or_dash, printable};
use super::{existing, remark};

pub(crate) async fn run(settings: &Settings, command: TokensCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        TokensCommand::Create(args) => create(settings, args, output).await,
        TokensCommand::List(args) => list(settings, args, output).await,
        TokensCommand::Revoke(args) => revoke(settings, args, output).await,
    }
}

#[derive(Serialize)]
struct TokenRow {
    token_id: Uuid,
    name: String,
    role: Role,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl From<Token> for TokenRow {
    fn from(token: Token) -> Self {
        let Token { id, name, role, created_at, revoked_at, .. } = token;
        Self { token_id: id, name, role, created_at, revoked_at }
    }
}

impl Row for TokenRow {
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "ROLE", "CREATED", "REVOKED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.token_id.to_string(),
            self.name.clone(),
            self.role.to_string(),
            format!("{:.0}", self.created_at),
            or_dash(self.revoked_at.map(|at| format!("{at:.0}"))),
        ]
    }
}

#[derive(Serialize)]
struct NewToken {
    #[serde(flatten)]
    row: TokenRow,
    token: String,
}

async fn create(settings: &Settings, args: TokenCreateArgs, output: &mut Output) -> Result<(), Failure> {
    if args.name.chars().count() > TOKEN_NAME_CHARS_MAX || args.name.contains('\0') {
        return Err(Failure::usage(format!("--name must be a text of at most {TOKEN_NAME_CHARS_MAX} characters")));
    }
    let app = App::open(settings).await?;
    let (token, secret) = create_token(&app.platform, &args.name, args.role).await?;
    if args.json {
        return output.json(&NewToken { row: token.into(), token: secret });
    }
    remark(&printable(&format!("token {} with the role {}; it is shown this once:", token.id, token.role)));
    output.line(secret)
}

async fn list(settings: &Settings, args: ListArgs, output: &mut Output) -> Result<(), Failure> {
    let Some(app) = existing(settings, "no tokens").await? else { return Ok(()) };
    let mut list = List::of::<TokenRow>(output, args);
    for token in app.platform.store.tokens().await? {
        if list.wants_more() {
            list.push(&TokenRow::from(token))?;
        }
    }
    list.finish("no tokens yet; make one with: caravan tokens create --role ROLE")
}

async fn revoke(settings: &Settings, args: RevokeArgs, output: &mut Output) -> Result<(), Failure> {
    let missing = || Failure::work(format!("there is no token {}; see: caravan tokens list", args.id));
    let Some(app) = existing(settings, "no tokens").await? else { return Err(missing()) };
    match revoke_token(&app.platform, args.id).await {
        Ok(()) => output.line(format!("token {} is not valid any more", args.id)),
        Err(CommitError::Conflict { .. }) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}
