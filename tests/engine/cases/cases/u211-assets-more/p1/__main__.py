import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

import os
os.makedirs("dir", exist_ok=True)
open("dir/f.txt", "w").write("1"); open("f.txt", "w").write("2")
a = Thing("a", pulumi.StringAsset("x"), extra=pulumi.FileAsset("f.txt"))
b = Thing("b", pulumi.FileArchive("dir"), extra=pulumi.AssetArchive({"k": pulumi.StringAsset("q"), "d": pulumi.FileArchive("dir")}))
c = PlainThing("c", pulumi.StringAsset("x"), replace_key=pulumi.FileArchive("dir"))
export("o", a.value)
