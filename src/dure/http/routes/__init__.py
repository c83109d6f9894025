"""The routes, one file a noun, and what their functions are given."""

from typing import Annotated

from fastapi import Depends, Path, Request

from dure.http.services import Services


def services_of(request: Request) -> Services:
    """Answer the services of the app that a request came to."""
    services: Services = request.app.state.services
    return services


Given = Annotated[Services, Depends(services_of)]
JobId = Annotated[str, Path(description="The job's id.", max_length=200, json_schema_extra={"format": "uuid"})]
