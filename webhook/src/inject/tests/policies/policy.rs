//! A policy, evaluated by another implementation of CEL than the API server's.

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::Map;
use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::Value;

/// An expression, by its name or message.
pub(super) struct Rule {
    pub(super) name: String,
    text: String,
    program: Program,
}

/// A policy.
pub struct Policy {
    pub(super) conditions: Vec<Rule>,
    pub(super) variables: Vec<Rule>,
    pub(super) validations: Vec<Rule>,
}

/// Which of a policy's lists an expression stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Conditions,
    Variables,
    Validations,
}

/// What stands before the name of a variable, in place of `variables.`.
const VARIABLE: &str = "variables_";

type Variables = std::collections::HashMap<String, Cel>;

/// What an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passes,
    Refuses,
    /// It cannot be computed. That refuses too, as failurePolicy is Fail, but in other words.
    Fails,
}

/// What a policy says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Says {
    /// Its conditions leave the request out.
    NotMine,
    /// Its conditions cannot be computed.
    Error,
    /// Each of its validations.
    Each(Vec<Outcome>),
}

/// A request, and what a policy says to it.
pub struct Judged {
    root: Context<'static>,
    variables: Variables,
    says: Says,
}

impl Judged {
    /// Whether the policy lets it pass.
    pub fn passes(&self) -> bool {
        match &self.says {
            Says::NotMine => true,
            Says::Error => false,
            Says::Each(all) => all.iter().all(|one| *one == Outcome::Passes),
        }
    }
}

/// Another expression in the place of one of a policy's.
pub struct Swap {
    list: List,
    at: usize,
    program: Program,
}

/// Kubernetes' whole numbers are signed, also where they are positive.
fn cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(yes) => Cel::Bool(*yes),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Cel::Float(number.as_f64().unwrap()), Cel::Int),
        Value::String(text) => Cel::from(text.as_str()),
        Value::Array(items) => Cel::from(items.iter().map(cel).collect::<Vec<_>>()),
        Value::Object(fields) => {
            let fields: std::collections::HashMap<String, Cel> = fields
                .iter()
                .map(|(key, value)| (key.clone(), cel(value)))
                .collect();
            Cel::Map(Map::from(fields))
        }
    }
}

/// The interpreter copies a whole map for one of its members, so each variable gets a name of its own.
fn compiled(expression: &str) -> Program {
    Program::compile(&expression.replace("variables.", VARIABLE))
        .unwrap_or_else(|error| panic!("{expression}: {error}"))
}

pub(super) fn rule(name: String, text: String) -> Rule {
    let program = compiled(&text);
    Rule { name, text, program }
}

impl Policy {
    /// Every expression with the list and the place in it, for [`Policy::swap`].
    pub fn expressions(&self) -> Vec<(List, usize, &str)> {
        let mut found = Vec::new();
        for (list, rules) in [
            (List::Conditions, &self.conditions),
            (List::Variables, &self.variables),
            (List::Validations, &self.validations),
        ] {
            let texts = rules.iter().map(|rule| rule.text.as_str());
            found.extend(texts.enumerate().map(|(at, text)| (list, at, text)));
        }
        found
    }

    /// An expression to stand in the place of another one.
    pub fn swap(list: List, at: usize, text: &str) -> Swap {
        let program = compiled(text);
        Swap { list, at, program }
    }

    /// Messages of the validations that refuse `request`.
    pub fn refusals(&self, request: &Value) -> Vec<String> {
        match self.judge(request).says {
            Says::NotMine => Vec::new(),
            Says::Error => vec!["Error in a condition".to_owned()],
            Says::Each(all) => {
                let said = self.validations.iter().zip(all);
                said.filter_map(|(rule, one)| match one {
                    Outcome::Passes => None,
                    Outcome::Refuses => Some(rule.name.clone()),
                    Outcome::Fails => Some(format!("Error: {}", rule.name)),
                })
                .collect()
            }
        }
    }

    /// What the policy says to `request`.
    pub fn judge(&self, request: &Value) -> Judged {
        let mut root = Context::default().with_all();
        for field in ["object", "oldObject", "namespaceObject", "request"] {
            root.add_variable_from_value(field, cel(&request[field]));
        }
        let says = self.says(&root, None);
        let variables = self.computed(&root, None);
        Judged {
            root,
            variables,
            says,
        }
    }

    /// Whether the policy with `swap` says something else to a request than it does as it is.
    pub fn is_told_apart(&self, judged: &Judged, swap: &Swap) -> bool {
        match (&judged.says, swap.list) {
            (Says::NotMine, List::Variables | List::Validations) => false,
            (Says::Each(before), List::Validations) => {
                let scope = scope(&judged.root, &judged.variables);
                outcome(&swap.program, &scope) != before[swap.at]
            }
            _ => self.says(&judged.root, Some(swap)) != judged.says,
        }
    }

    fn says(&self, root: &Context<'_>, swap: Option<&Swap>) -> Says {
        for (at, rule) in self.conditions.iter().enumerate() {
            match outcome(chosen(rule, List::Conditions, at, swap), root) {
                Outcome::Passes => {}
                Outcome::Refuses => return Says::NotMine,
                Outcome::Fails => return Says::Error,
            }
        }
        let scope = scope(root, &self.computed(root, swap));
        let rules = self.validations.iter().enumerate();
        let programs = rules.map(|(at, rule)| chosen(rule, List::Validations, at, swap));
        Says::Each(programs.map(|program| outcome(program, &scope)).collect())
    }

    /// The variables. One that cannot be computed matters to the validations that use it, which then fail too.
    fn computed(&self, root: &Context<'_>, swap: Option<&Swap>) -> Variables {
        let mut variables = Variables::new();
        for (at, rule) in self.variables.iter().enumerate() {
            let program = chosen(rule, List::Variables, at, swap);
            if let Ok(value) = program.execute(&scope(root, &variables)) {
                variables.insert(rule.name.clone(), value);
            }
        }
        variables
    }
}

fn scope<'r>(root: &'r Context<'_>, variables: &Variables) -> Context<'r> {
    let mut scope = root.new_inner_scope();
    for (name, value) in variables {
        scope.add_variable_from_value(format!("{VARIABLE}{name}"), value.clone());
    }
    scope
}

fn chosen<'p>(rule: &'p Rule, list: List, at: usize, swap: Option<&'p Swap>) -> &'p Program {
    match swap {
        Some(swap) if swap.list == list && swap.at == at => &swap.program,
        _ => &rule.program,
    }
}

fn outcome(program: &Program, context: &Context<'_>) -> Outcome {
    match program.execute(context) {
        Ok(Cel::Bool(true)) => Outcome::Passes,
        Ok(_) => Outcome::Refuses,
        Err(_) => Outcome::Fails,
    }
}
