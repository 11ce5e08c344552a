//! What a client did wrong in an exchange.

/// Why an exchange is over, by the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Longer than [`MAX_MESSAGE`](super::MAX_MESSAGE), or with a name longer than [`MAX_NAME`](super::MAX_NAME).
    #[error("the message is too long")]
    Long,
    /// It is not UTF-8, or has a NUL where none may be.
    #[error("the message is not text")]
    Encoding,
    /// A part is missing, or is not what it should be.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    /// The name of SCRAM is empty, or has an `=` that is neither `=2C` nor `=3D`.
    #[error("the name is not encoded as SCRAM wants it")]
    Name,
    /// It needs an extension that we do not have (`m=`).
    #[error("the message needs an extension that is not known")]
    Extension,
    /// It wants to bind to the channel, and that cannot be done here.
    #[error("channel binding is not supported")]
    NoBinding,
    /// It wants to bind to the channel in a way other than `tls-exporter`.
    #[error("this type of channel binding is not supported")]
    BindingType,
    /// It believes that we cannot bind to the channel, which we have offered: somebody in between took the offer away.
    #[error("the server does support channel binding")]
    Downgrade,
    /// It is bound to another channel, or says now something else about it than in its first message.
    #[error("the channel bindings do not match")]
    Binding,
    /// It does not know the password.
    #[error("the proof is wrong")]
    Proof,
}

impl Reject {
    /// The value of `e=` in the last message of SCRAM: RFC 5802, section 7. Whether there is such a user is never told.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Encoding => "invalid-encoding",
            Self::Long | Self::Malformed(_) => "other-error",
            Self::Name => "invalid-username-encoding",
            Self::Extension => "extensions-not-supported",
            Self::NoBinding => "channel-binding-not-supported",
            Self::BindingType => "unsupported-channel-binding-type",
            Self::Downgrade => "server-does-support-channel-binding",
            Self::Binding => "channel-bindings-dont-match",
            Self::Proof => "invalid-proof",
        }
    }
}
