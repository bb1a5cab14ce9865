from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('records', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('computer', models.TextField(primary_key=True, serialize=False)),
                ('host', models.CharField(max_length=255)),
                ('run', models.CharField(max_length=255)),
                ('owner', models.CharField(max_length=255)),
                ('holder', models.CharField(max_length=32)),
                ('process', models.CharField(max_length=255)),
                ('since', models.BigIntegerField()),
                ('ends', models.BigIntegerField(null=True)),
                ('expires', models.BigIntegerField()),
            ],
            options={
                'db_table': 'lease',
                'indexes': [models.Index(fields=['holder'], name='lease_holder')],
            },
        ),
    ]
