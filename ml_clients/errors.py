"""How a model call can fail: four states of the world, each knowing whether a retry can help."""


class ModelError(Exception):
    """A model gave no usable answer.

    `code` names the kind of failure, `retryable` says whether the same call may succeed later,
    `retry_after` is the seconds the server asked us to wait, when it said so, and `status` that of its answer.
    """

    code = "model_error"
    retryable = False

    def __init__(self, message: str, retry_after: float | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.retry_after, self.status = retry_after, status


class ModelTimeout(ModelError):
    """The model did not answer before the deadline of the call."""

    code = "model_timeout"
    retryable = True


class ModelUnavailable(ModelError):
    """The model server cannot be reached, or says that it cannot answer now."""

    code = "model_unavailable"
    retryable = True


class ModelRefused(ModelError):
    """The model server understood the call and will not answer it, now or later."""

    code = "model_refused"


class ModelAnswerInvalid(ModelError):
    """The model server answered something this client cannot read or does not expect."""

    code = "model_answer_invalid"
