"""Carina, an object mapper: a migration, vertices and an edge written, and read as objects again."""

import json
import os
from importlib import import_module
from typing import Any

os.environ.update(
    nebula_servers=f'["127.0.0.1:{os.environ["GRAPH_PORT"]}"]',
    nebula_user_name="root",
    nebula_password=os.environ["GRAPH_PASSWORD"],
    nebula_default_space="carina",
)
models: Any = import_module("nebula_carina.models.models")
field: Any = import_module("nebula_carina.models.fields").create_nebula_field
types: Any = import_module("nebula_carina.ngql.schema.data_types")
migrations: Any = import_module("nebula_carina.models.migrations")


class Figure(models.TagModel):
    name: str = field(types.FixedString(30), ...)
    age: int = field(types.Int16, ...)


class Love(models.EdgeTypeModel):
    way: str = field(types.FixedString(10), ...)
    times: int = field(types.Int8, ...)


class Person(models.VertexModel):
    figure: Figure


def main() -> None:
    for change in migrations.make_migrations():
        import_module("nebula_carina.ngql.connection.connection").run_ngql(change)
    Person(vid="ana", figure=Figure(name="Ana", age=31)).save()
    Person(vid="ben", figure=Figure(name="Ben", age=25)).save()
    models.EdgeModel(src_vid="ana", dst_vid="ben", ranking=0, edge_type=Love(way="deep", times=3)).save()
    ana = Person.objects.get("ana")
    loves = models.EdgeModel.objects.get("ana", "ben", Love)
    ana.figure.age = 32
    ana.save()
    age = Person.objects.get("ana").figure.age
    print(json.dumps({"name": ana.figure.name, "age": age, "times": loves.edge_type.times}))


if __name__ == "__main__":
    main()
