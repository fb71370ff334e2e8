//! Command lines: words, quotation marks, and handing arguments out one by one.

use super::{CommandError, CommandSpec, arg::Value};

/// The words of a line.
pub(super) fn split(line: &str) -> Result<Vec<String>, CommandError> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(words);
        }
        let mut word = String::new();
        let mut quoted = false;
        while let Some(c) = chars.next_if(|c| quoted || !c.is_whitespace()) {
            match c {
                '"' => quoted = !quoted,
                '\\' if quoted => word.extend(chars.next()),
                c => word.push(c),
            }
        }
        if quoted {
            return Err(CommandError::OpenQuote);
        }
        words.push(word);
    }
}

/// Appends ` word`, quoted where [`split`] would otherwise read something else.
pub(super) fn push_word(line: &mut String, word: &str) {
    line.push(' ');
    let plain = !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '"' || c == '\\');
    if plain {
        line.push_str(word);
        return;
    }
    line.push('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push('"');
}

/// The arguments of one command on their way into its [`super::Cmd`].
pub(super) struct Arguments<'a> {
    spec: &'static CommandSpec,
    words: &'a [String],
    taken: usize,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(spec: &'static CommandSpec, words: &'a [String]) -> Self {
        Self { spec, words, taken: 0 }
    }

    fn argument(&self) -> &'static str {
        self.spec.args.get(self.taken).map_or("argument", |arg| arg.name)
    }

    /// The next argument, which must be there.
    pub(super) fn required<V: Value>(&mut self) -> Result<V, CommandError> {
        let argument = self.argument();
        self.optional()?.ok_or_else(|| CommandError::Missing {
            usage: self.spec.usage(),
            argument,
            expected: V::KIND.expected(),
        })
    }

    /// The next argument, if it is there.
    pub(super) fn optional<V: Value>(&mut self) -> Result<Option<V>, CommandError> {
        let argument = self.argument();
        let word = if V::KIND.takes_rest() && self.words.len() > self.taken {
            let rest = self.words[self.taken..].join(" ");
            self.taken = self.words.len();
            rest
        } else {
            let Some(word) = self.words.get(self.taken) else { return Ok(None) };
            self.taken += 1;
            word.clone()
        };
        match V::read(&word) {
            Some(value) => Ok(Some(value)),
            None => Err(CommandError::Invalid {
                usage: self.spec.usage(),
                argument,
                value: word.chars().take(64).collect(),
                expected: V::KIND.expected(),
            }),
        }
    }

    /// All arguments were taken.
    pub(super) fn finish(&self) -> Result<(), CommandError> {
        match self.words.get(self.taken) {
            None => Ok(()),
            Some(extra) => {
                Err(CommandError::TooMany { usage: self.spec.usage(), extra: extra.chars().take(64).collect() })
            }
        }
    }
}
