"""Buyers who do not exist: French and Spanish names and addresses, numbers from ranges kept for fiction."""

from random import Random

from lengow.sandbox.sales import Address, Relay

FRENCH = (
    ("Éloïse", "François", "Anaïs", "Jean-Baptiste", "Zoé", "Loïc", "Marie-Hélène", "Noël", "Gaëlle", "Théo", "Inès"),
    ("D'Angély", "Lefèvre", "Saint-Clair", "Le Gall", "Béranger", "Château-Thierry", "N'Guyen", "Müller", "Garçon"),
    ("rue de l'Église", "avenue du Général-de-Gaulle", "chemin des Prés-Verts", "place de l'Hôtel-de-Ville",
     "impasse d'Alésia", "boulevard Maréchal-Foch", "allée des Chênes", "quai Saint-Vincent"),
    (("44000", "Nantes"), ("13100", "Aix-en-Provence"), ("62200", "Boulogne-sur-Mer"), ("06270", "Villeneuve-Loubet"),
     ("95880", "Enghien-les-Bains"), ("42000", "Saint-Étienne"), ("97400", "Saint-Denis"), ("79000", "Niort"),
     ("01210", "Ferney-Voltaire"), ("34000", "Montpellier"), ("27700", "Les Andelys"), ("89600", "Vergigny-l'Écluse")),
)  # fmt: skip
SPANISH = (
    ("María José", "Íñigo", "Begoña", "Ángel", "Nuria", "Óscar", "Concepción", "Jesús", "Lucía", "Àlex"),
    ("Muñoz García", "Núñez de Balboa", "Ibáñez-Etxeberria", "Güell i Puig", "Peña López", "O'Donnell", "Ávila Cañas"),
    ("Calle de la Concepción", "Avenida de España", "Plaza Mayor", "Paseo de la Castellana", "Carrer de l'Hospital",
     "Calle Núñez", "Travesía del Ángel"),
    (("28013", "Madrid"), ("15001", "A Coruña"), ("03201", "Elche/Elx"), ("08902", "L'Hospitalet de Llobregat"),
     ("26001", "Logroño"), ("29016", "Málaga"), ("01001", "Vitoria-Gasteiz"), ("35001", "Las Palmas de Gran Canaria")),
)  # fmt: skip
COMPANIES = ("SARL Dupré & Fils", "Menuiserie de l'Étang", "SAS Bâti-Rénov'", "Électricité Générale Hébert", "EURL Noé")
RELAYS = ("Tabac de l'Église", "Épicerie « Chez Aïcha »", "Fleurs & Cie", "Pressing Saint-Rémy", "Librairie L'Œil")


def buyer(random: Random, serial: int, country: str = "FR") -> Address:
    """One person at one address; the e-mail is unique to `serial`."""
    first_names, last_names, streets, cities = SPANISH if country == "ES" else FRENCH
    zipcode, city = random.choice(cities)
    number = random.randrange(1, 200)
    street = random.choice(streets)
    mobile = f"+34600{serial % 1_000_000:06d}" if country == "ES" else f"063998{serial % 10_000:04d}"
    return Address(
        country=country,
        civility=random.choice(("M.", "Mme")) if country == "FR" else None,
        first_name=random.choice(first_names),
        last_name=random.choice(last_names),
        first_line=f"{street} {number}" if country == "ES" else f"{number} {street}",
        complement=random.choice((None, None, "Bât. B", "3ᵉ étage, porte à gauche")),
        zipcode=zipcode,
        city=city,
        phone_home=f"019900{serial % 10_000:04d}" if country == "FR" and random.random() < 0.3 else None,
        phone_mobile=mobile,
        email=f"buyer-{serial}@example.com",
    )


def relay(random: Random) -> Relay:
    return Relay(f"{random.randrange(1_000_000):06d}", random.choice(RELAYS))


def company(random: Random) -> tuple[str, str, str]:
    """A French company: its name, VAT number and SIRET, with right check digits."""
    siren = _with_luhn(f"{random.randrange(10_000_000, 99_999_999)}")
    siret = _with_luhn(f"{siren}0001")
    return random.choice(COMPANIES), f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}", siret


def _with_luhn(digits: str) -> str:
    """`digits` and the one more that makes the whole pass the Luhn check."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return f"{digits}{-total % 10}"
