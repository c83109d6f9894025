"""What staff ask to have changed about students: each begins a run, which is shown and can be undone."""

from typing import Any

from dure.apps.intents.declared_students import DECLARED
from dure.apps.intents.students.registering import Register, Update
from dure.apps.intents.students.staying import Promote, SomeFromDay
from dure.intents import intent


@intent(DECLARED["student.exec.register"])
class RegisterStudent:
    """Register a student, with a guardian."""

    Params = Register.Params
    operation = "student.register"


@intent(DECLARED["student.exec.update"])
class UpdateStudent:
    """Change what is known of a student."""

    Params = Update.Params
    operation = "student.update"


@intent(DECLARED["student.exec.pause"])
class PauseStudents:
    """Let students take a break; their seats stay theirs."""

    Params = SomeFromDay
    operation = "student.set_status"

    def plan(self, params: SomeFromDay) -> dict[str, Any]:
        """Answer the parameters of the operation."""
        return {**params.model_dump(mode="json"), "status": "paused"}


@intent(DECLARED["student.exec.resume"])
class ResumeStudents:
    """Take students back, from a break or for good."""

    Params = SomeFromDay
    operation = "student.set_status"

    def plan(self, params: SomeFromDay) -> dict[str, Any]:
        """Answer the parameters of the operation."""
        return {**params.model_dump(mode="json"), "status": "enrolled"}


@intent(DECLARED["student.exec.leave"])
class StudentsLeave:
    """Let students go, with all their enrolments."""

    Params = SomeFromDay
    operation = "student.set_status"

    def plan(self, params: SomeFromDay) -> dict[str, Any]:
        """Answer the parameters of the operation."""
        return {**params.model_dump(mode="json"), "status": "left"}


@intent(DECLARED["student.exec.promote"])
class PromoteStudents:
    """Move everyone up a grade."""

    Params = Promote.Params
    operation = "student.promote"
